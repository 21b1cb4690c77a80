"""The command ``spanlake diff``."""

from spanlake.cli.client import json
from spanlake.cli.client.api import TempoApi
from spanlake.cli.client.difference import parse_difference
from spanlake.cli.errors import Refused, nothing_found
from spanlake.cli.render.difference import show_difference
from spanlake.cli.render.terminal import output, print_json
from spanlake.cli.trace import is_about_trace, parse_trace_id


def run(api: TempoApi, first: str, second: str, *, as_json: bool) -> None:
    """Print what two traces do differently; raises CommandError, and typer.Exit when one does not exist."""
    ids = parse_trace_id(first), parse_trace_id(second)
    try:
        body = api.get(f"/api/traces/{ids[0]}/diff/{ids[1]}")
    except Refused as error:
        if not is_about_trace(error):
            raise
        missing = [trace_id for trace_id in ids if not _exists(api, trace_id)]
        raise nothing_found(f"{api.url} has no trace {' and no trace '.join(missing or ids)}") from None
    if as_json:
        print_json(body)
    else:
        show_difference(output(), parse_difference(json.parse(body)))


def _exists(api: TempoApi, trace_id: str) -> bool:
    try:
        api.get(f"/api/traces/{trace_id}")
    except Refused as error:
        if is_about_trace(error):
            return False
        raise
    return True
