"""What spanlake is on AWS, in constructs of the CDK. template.yaml says the same; tests/infra hold the two together."""
