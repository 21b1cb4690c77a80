"""The format of blocks: Parquet files of spans, and the metadata in them."""
