"""The Glue table's columns follow the catalogs of days, whose new entries the index table's stream tells of.

A stream of keys is enough: an entry's key is the same on each day and for each tenant, so that a function that has seen
it once need not read it again, and asks Glue only for what it does not know to be there.
"""

import logging
from collections.abc import Collection

from spanlake.aws.environment import LambdaStore
from spanlake.settings.model import AthenaSettings
from spanlake.store import aws_client
from spanlake.store.errors import StorageUnavailable, StoreError
from spanlake.store.glue import GlueColumns, TableName
from spanlake.store.index.dynamodb.table import Key

_GLUE_SECONDS = 10.0
_log = logging.getLogger(__name__)


class Columns:
    """Adds columns for attributes that are new; does nothing where no table is named."""

    def __init__(self, store: LambdaStore, settings: AthenaSettings) -> None:
        self._index = store.index
        self._glue: GlueColumns | None = None
        self._seen: set[str] = set()
        if settings.table:
            client = store.objects.session.client("glue", config=aws_client.config(_GLUE_SECONDS))
            self._glue = GlueColumns(client, TableName.parse(settings.table))

    def follow(self, keys: Collection[Key]) -> None:
        """Take note of entries of catalogs, by their keys. Raises StorageUnavailable, to be called again with them.

        What no other attempt would mend, such as a right that is missing, is logged: it must not hold up what else the
        stream tells of.
        """
        new = [(pk, sk) for pk, sk in keys if sk not in self._seen]
        if self._glue is None or not new:
            return
        try:
            added = self._glue.follow(self._index.entries_at(new))
        except StorageUnavailable:
            raise
        except StoreError as error:
            _log.error("the Glue table does not follow the catalog", extra={"reason": str(error)})
            return
        self._seen.update(sk for _, sk in new)
        if added:
            _log.info("columns added to the Glue table", extra={"columns": added})
