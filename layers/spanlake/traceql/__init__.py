"""TraceQL, the query language of Grafana Tempo: text to tree to checked tree, and back to text.

::

    query = check(parse("{ status = error } | rate() by (name)"), Dialect.tempo())
"""

from spanlake.traceql.checker import check
from spanlake.traceql.dialect import Dialect
from spanlake.traceql.errors import ParseError, TraceQLError, TypeMismatch, Unsupported
from spanlake.traceql.parser import parse
from spanlake.traceql.printer import print_query

__all__ = [
    "Dialect",
    "ParseError",
    "TraceQLError",
    "TypeMismatch",
    "Unsupported",
    "check",
    "parse",
    "print_query",
]
