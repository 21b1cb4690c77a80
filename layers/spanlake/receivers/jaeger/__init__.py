"""Jaeger spans in protobuf, Thrift and JSON, translated to OTLP."""
