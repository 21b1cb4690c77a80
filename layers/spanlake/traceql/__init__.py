"""TraceQL, the query language of Grafana Tempo: text to tree, validation of the tree, and tree to text.

::

    query = check(parse("{ status = error } | rate() by (name)"))
"""

from spanlake.traceql.errors import ParseError, TraceQLError, TypeMismatch, Unsupported
from spanlake.traceql.parser import parse
from spanlake.traceql.printer import print_query
from spanlake.traceql.validate import SizeLimits, validate

__all__ = [
    "ParseError",
    "SizeLimits",
    "TraceQLError",
    "TypeMismatch",
    "Unsupported",
    "parse",
    "print_query",
    "validate",
]
