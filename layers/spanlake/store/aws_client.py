"""AWS as storage uses it: clients that retry, and what their errors mean.

Credentials, region and endpoints are botocore's own affair: environment, shared files, roles, ``AWS_ENDPOINT_URL_S3``
and ``AWS_ENDPOINT_URL_DYNAMODB``.
"""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import botocore
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as NotConnected,
)
from botocore.session import get_session

from spanlake.store.deadline import bounded, has_passed
from spanlake.store.errors import StorageTimeout, StorageUnavailable, StoreError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_USER_AGENT = f"spanlake botocore/{botocore.__version__}"
"""Name of the clients in logs of AWS. Botocore's own is put together anew for each call, in 0.3 ms of CPU time."""
_ATTEMPTS = 5
_FIRST_PAUSE = 0.05  # seconds, doubled each time
_LONGEST_PAUSE = 2.0

_TRANSIENT = (
    NotConnected,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
)
_UNSET = (NoCredentialsError, NoRegionError, PartialCredentialsError)
_PASSING = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalServerError",
    "LimitExceededException",
    "OperationAborted",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled"}
_DISTRUSTED = {
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


class _TimeIsOver(BotoCoreError):  # noqa: N818
    """Nobody waits for the call any more. botocore does not repeat what ends with it."""

    fmt = "the time of the request is over"


class Session:
    """The process's own credentials and region, and clients that have them.

    Operations of the clients end with the time limit of their caller, see ``spanlake.store.deadline``.

    This is botocore's, since importing boto3 takes some 60 ms longer, for what is not used here.
    """

    def __init__(self) -> None:
        self._session = get_session()

    def client(self, service: str, config: Config) -> Any:
        """Return a new client of a service, as boto3 would name it."""
        client: Any = self._session.create_client(service, config=config)
        call = client._make_api_call

        def bounded_call(operation: str, parameters: dict[str, Any]) -> Any:
            return bounded(f"call {operation} of {service}", lambda: call(operation, parameters))

        client._make_api_call = bounded_call
        client.meta.events.register("before-send", _end_in_time)
        return client

    def get_credentials(self) -> "Credentials | None":
        """Return the credentials, which renew themselves."""
        return self._session.get_credentials()


def config(read_seconds: float, **options: Any) -> Config:
    """Return the behaviour of clients: few attempts with growing, random pauses, each of bounded time."""
    return Config(
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        connect_timeout=3,
        read_timeout=read_seconds,
        max_pool_connections=32,
        user_agent=_USER_AGENT,
        **options,
    )


def attempts() -> Iterator[None]:
    """Turn of a loop that tries again what botocore does not, each after a random pause."""
    for number in range(_ATTEMPTS):
        if number:
            time.sleep(random.uniform(0, min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE)))  # noqa: S311
        yield


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Turn the errors of botocore into StorageUnavailable when they may pass, and into StoreError otherwise.

    ``what`` says what was attempted and on what. The messages name the service's error code and no credentials.
    """
    try:
        yield
    except ClientError as error:
        raise _told(what, error) from error
    except (StorageTimeout, _TimeIsOver) as error:
        raise StorageTimeout(f"cannot {what}: no answer in time") from error
    except _TRANSIENT as error:
        raise StorageUnavailable(f"cannot {what}: {type(error).__name__}") from error
    except _UNSET as error:
        raise StoreError(f"cannot {what}: {error} (see boto3's credentials and AWS_DEFAULT_REGION)") from error
    except BotoCoreError as error:
        raise StoreError(f"cannot {what}: {error}") from error


def _end_in_time(**_: Any) -> None:
    """Let no attempt of a call begin whose time is over."""
    if has_passed():
        raise _TimeIsOver


def code(error: ClientError) -> str:
    """Return the code of the error, as the service names it."""
    return str(error.response.get("Error", {}).get("Code", ""))


def service_time(answer: Mapping[str, Any]) -> int | None:
    """Return the time of the service's clock that dates an answer, in seconds since 1970.

    None where the service does not tell it.
    """
    try:
        return int(parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp())
    except (KeyError, ValueError):
        return None


def status(error: ClientError) -> int:
    """Return the HTTP status of an error."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _told(what: str, error: ClientError) -> StoreError:
    name, number = code(error), status(error)
    if name in _PASSING or number >= 500 or number == 429:
        return StorageUnavailable(f"cannot {what}: {name or number}")
    if name in _DENIED or (number == 403 and name not in _DISTRUSTED):
        return StoreError(f"cannot {what}: access is denied, allow {error.operation_name}")
    if name in _DISTRUSTED:
        return StoreError(f"cannot {what}: the credentials are not accepted ({name})")
    return StoreError(f"cannot {what}: {error.operation_name} was refused ({name or number})")
