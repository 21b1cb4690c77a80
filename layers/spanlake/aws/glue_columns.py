"""The Glue table's columns follow the catalogs of days, whose new entries the index table's stream tells of.

A stream of keys is enough: an entry's key is the same on each day and for each tenant, so that a function that has seen
it once need not read it again, and asks Glue only for what it does not know to be there.
"""

import logging
from collections.abc import Callable, Collection

from spanlake.aws.environment import LambdaStore
from spanlake.settings.model import AthenaSettings
from spanlake.store import aws_client
from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.days import day_range
from spanlake.store.errors import StorageUnavailable, StoreError
from spanlake.store.glue import GlueColumns, TableName, shared_columns
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

    def unite(self, has_time: Callable[[], bool]) -> None:
        """Give the table the attributes of all tenants and days again, which an update of the stack has taken away.

        Each tenant has its share of the room. Ends early, with what it has found, where time is short. Raises
        StorageUnavailable.
        """
        if self._glue is None:
            return
        catalogs: list[frozenset[CatalogEntry]] = []
        for tenant in self._index.tenants():
            if not has_time():
                _log.warning("columns of some tenants left for the next run", extra={"tenants": len(catalogs)})
                break
            catalogs.append(self._catalog(tenant))
        try:
            added = self._glue.ensure(shared_columns(catalogs))
        except StorageUnavailable:
            raise
        except StoreError as error:
            _log.error("the Glue table does not follow the catalog", extra={"reason": str(error)})
            return
        if added:
            _log.info("columns added to the Glue table", extra={"columns": added})

    def _catalog(self, tenant: str) -> frozenset[CatalogEntry]:
        """Return the attributes of a tenant's days, of each day in a query of its own.

        A range reads the blocks as well.
        """
        days = (day_range(day) for day in self._index.days(tenant))
        return frozenset().union(*(self._index.catalog(tenant, first, last) for first, last in days))
