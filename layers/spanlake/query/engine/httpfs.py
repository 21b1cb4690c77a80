"""Blocks in S3 as DuckDB reads them: through httpfs, with the process's own credentials."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb

from spanlake.store.aws_client import reported
from spanlake.store.errors import StoreError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

    from spanlake.store.objects.s3 import S3Objects

# Objects never change, so that what was learned of one stays true. Should one have been put anew after all, by an
# upgraded spanlake for a client that retried, its ETag differs, and the read fails once.
_SETTINGS = (
    "SET GLOBAL enable_http_metadata_cache = true",
    "SET GLOBAL httpfs_connection_caching = true",
    # A request is tried three times: S3 that does not answer has to be told of in 20 s.
    "SET GLOBAL http_timeout = 4",  # seconds, of which nothing comes
    "SET GLOBAL http_retries = 2",
    "SET GLOBAL allow_persistent_secrets = false",
)
# The values are parameters: they do not stand in the text, which errors quote.
_GIVE = """
    CREATE OR REPLACE SECRET lake (
        TYPE s3, SCOPE $scope, REGION $region, ENDPOINT $endpoint, URL_STYLE $url_style, USE_SSL $use_ssl,
        KEY_ID $key, SECRET $secret, SESSION_TOKEN $token
    )
"""


class HttpfsCredentials:
    """The objects of one place in S3, for one DuckDB instance. Not to be used by two threads at once."""

    def __init__(self, objects: "S3Objects") -> None:
        self.directory = objects.location.url
        self._objects = objects
        self._given: ReadOnlyCredentials | None = None

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Load httpfs, which an instance closed to the world could not; raises StoreError when it is not installed."""
        self._given = None
        connection.load_extension(str(_extension()))
        for statement in _SETTINGS:
            connection.execute(statement)

    def refresh(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Give DuckDB the credentials that botocore has now, if they are others than before.

        botocore renews its own ten minutes before they expire, which is longer than a query takes. Raises StoreError.
        """
        with reported(f"read {self.directory}"):
            credentials = self._objects.session.get_credentials()
            if credentials is None:
                raise StoreError(f"cannot read {self.directory}: there are no AWS credentials")
            current = credentials.get_frozen_credentials()
        if current != self._given:
            connection.execute(_GIVE, self._secret(current))
            self._given = current

    def _secret(self, credentials: "ReadOnlyCredentials") -> dict[str, object]:
        client = self._objects.client.meta
        endpoint = urlsplit(client.endpoint_url)
        return {
            "scope": self.directory,
            "region": client.region_name,
            "endpoint": endpoint.netloc,
            "url_style": "path" if self._objects.has_bucket_in_path else "vhost",
            "use_ssl": endpoint.scheme == "https",
            "key": credentials.access_key,
            "secret": credentials.secret_key,
            "token": credentials.token or "",
        }


def _extension() -> Path:
    """Return the file of httpfs for this very DuckDB, from its package: nothing is downloaded."""
    try:
        import duckdb_extension_httpfs  # type: ignore[import-untyped]
    except ImportError:
        raise StoreError("to read S3, install spanlake with its extra: pip install 'spanlake[aws]'") from None
    file = "httpfs.duckdb_extension"
    found = Path(duckdb_extension_httpfs.__file__).with_name("extensions") / f"v{duckdb.__version__}" / file
    if not found.is_file():
        raise StoreError(f"the package duckdb-extension-httpfs is not that of DuckDB {duckdb.__version__}")
    return found
