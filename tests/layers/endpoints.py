"""Prints where a botocore finds services: ``python -I -S endpoints.py LAYER``, or without one what is installed.

A line for each service and region: both, the URL, and how many operations are known.
"""

import sys

SERVICES = ("athena", "dynamodb", "glue", "s3", "secretsmanager", "sts")
REGIONS = ("us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1")


def main(layers: list[str]) -> None:
    sys.path[:0] = layers
    from botocore.session import get_session

    session = get_session()
    for service in SERVICES:
        for region in REGIONS:
            client = session.create_client(service, region_name=region)
            operations = len(client.meta.service_model.operation_names)
            print(service, region, client.meta.endpoint_url, operations)


if __name__ == "__main__":
    main(sys.argv[1:])
