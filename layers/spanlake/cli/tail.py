"""The command ``spanlake tail``: new traces that match, as they arrive."""

import json as plain_json
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import typer

from spanlake.cli.client import json
from spanlake.cli.client.api import TempoApi
from spanlake.cli.client.refusals import of_query
from spanlake.cli.client.search import parse_search
from spanlake.cli.client.times import TimeRange
from spanlake.cli.errors import InvalidOption, Refused
from spanlake.cli.notes import print_notes
from spanlake.cli.render.search import TraceTable
from spanlake.cli.render.terminal import output
from spanlake.traceql import TraceQLError, parse

_SEARCH = "/api/search"
_LOOK_BACK_SECONDS = 120  # spans arrive after they ended, and a trace starts before its last span arrives
_LIMIT = 100
_REMEMBERED = 10_000


def run(api: TempoApi, traceql: str, every_seconds: float, *, as_json: bool) -> None:
    """Print matching traces until interrupted; those of the moment before the start are left out."""
    try:
        if parse(traceql).is_metrics:
            raise InvalidOption("tail shows traces: leave out the metrics stage, or use spanlake query")
    except TraceQLError:
        pass  # the server explains it
    print_notes(traceql)
    follow = Follower(api, traceql)
    follow.new_traces()
    table = None if as_json else TraceTable(output())
    if table:
        table.head()
    try:
        while True:
            time.sleep(every_seconds)
            for given in follow.new_traces():
                _print(given, table)
    except KeyboardInterrupt:
        return


def _print(given: json.Object, table: TraceTable | None) -> None:
    if table is None:
        typer.echo(plain_json.dumps(given))
    else:
        table.trace(parse_search({"traces": [given]}).traces[0])


@dataclass(slots=True)
class Follower:
    """The traces of a query that were printed already."""

    api: TempoApi
    traceql: str
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def new_traces(self) -> list[json.Object]:
        """Return the traces that match since the last call, the oldest first; raises CommandError."""
        now = time.time()
        when = TimeRange(int(now) - _LOOK_BACK_SECONDS, int(now) + 1)
        params = {"q": self.traceql, **when.params, "limit": str(_LIMIT), "spss": "3"}
        try:
            traces = json.objects(json.parse(self.api.get(_SEARCH, params)), "traces")
        except Refused as error:
            raise of_query(error, self.traceql) from None
        new = [trace for trace in traces if json.text(trace, "traceID") not in self._seen]
        self._seen.update(dict.fromkeys(json.text(trace, "traceID") for trace in new))
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return sorted(new, key=lambda trace: json.whole(trace, "startTimeUnixNano"))
