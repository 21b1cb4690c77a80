"""Athena as an operator's settings name it."""

from spanlake.query.engine.athena.engine import Athena
from spanlake.query.engine.athena.table import GlueTable
from spanlake.settings.model import AthenaSettings
from spanlake.store import aws_client

_READ_SECONDS = 10.0


def open_athena(session: aws_client.Session, settings: AthenaSettings) -> Athena:
    """The workgroup and the table of the settings; nothing is asked of them yet."""
    database, _, table = settings.table.partition(".")
    client = session.client("athena", config=aws_client.config(_READ_SECONDS))
    return Athena(client, settings.workgroup, GlueTable(database, table), settings.above_bytes)
