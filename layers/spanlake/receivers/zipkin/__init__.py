"""Zipkin spans of v1 and v2 in JSON, protobuf and Thrift, translated to OTLP."""
