"""Translation of other tracing protocols to OTLP."""
