"""Defines spanlake on AWS in constructs of the CDK, equal to template.yaml; tests/infra hold the two together."""
