"""Reads secrets of AWS Secrets Manager."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from spanlake.store import aws_client
from spanlake.store.aws_client import reported
from spanlake.store.deadline import limited

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_READ_SECONDS = 3.0
_NOT_FOUND = "ResourceNotFoundException"  # a secret without a value too


def open_client() -> "SecretsManagerClient":
    """Open a client with the process's own credentials."""
    client: SecretsManagerClient = aws_client.Session().client("secretsmanager", aws_client.config(_READ_SECONDS))
    return client


def read_secret(client: "SecretsManagerClient", arn: str, seconds: float) -> str | None:
    """Return the text of a secret, None where it has no value; all attempts together take up to ``seconds``.

    Raises StoreError, and StorageUnavailable where it may pass.
    """
    with limited(seconds), reported(f"read the secret {arn}"):
        try:
            return client.get_secret_value(SecretId=arn).get("SecretString")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == _NOT_FOUND:
                return None
            raise
