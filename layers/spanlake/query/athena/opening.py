"""Athena as an operator's settings name it."""

from spanlake.config import AthenaSettings
from spanlake.query.athena.engine import Athena
from spanlake.query.athena.scan import GlueTable
from spanlake.store import aws

_READ_SECONDS = 10.0


def open_athena(session: aws.Session, settings: AthenaSettings) -> Athena:
    """The workgroup and the table of the settings; nothing is asked of them yet."""
    database, _, table = settings.table.partition(".")
    client = session.client("athena", config=aws.config(_READ_SECONDS))
    return Athena(client, settings.workgroup, GlueTable(database, table), settings.above_bytes)
