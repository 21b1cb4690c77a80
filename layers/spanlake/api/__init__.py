"""The HTTP faces: OTLP in, Tempo's API out, and what operators look at. One app on every port."""
