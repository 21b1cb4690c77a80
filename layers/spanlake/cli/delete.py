"""The command ``spanlake delete``."""

import typer

from spanlake.cli.client.api import TempoApi
from spanlake.cli.errors import CommandError, Refused, nothing_found
from spanlake.cli.trace import is_about_trace, parse_trace_id


def run(api: TempoApi, text: str, *, is_confirmed: bool) -> None:
    """Delete a trace, after a question unless it is confirmed; raises CommandError, and typer.Exit."""
    trace_id = parse_trace_id(text)
    if not is_confirmed and not _is_wanted(f"Delete trace {trace_id} of {api.url}?"):
        raise CommandError("nothing was deleted; --yes deletes without a question")
    try:
        api.delete(f"/api/traces/{trace_id}")
    except Refused as error:
        if is_about_trace(error):
            raise nothing_found(f"{api.url} has no trace {trace_id}") from None
        raise
    typer.echo(f"trace {trace_id} is deleted")


def _is_wanted(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # nobody is there to answer
        typer.echo(err=True)
        return False
