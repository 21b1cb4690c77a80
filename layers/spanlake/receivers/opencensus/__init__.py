"""OpenCensus spans, translated to OTLP."""
