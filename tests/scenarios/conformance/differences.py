"""Where Tempo 3.1 answers otherwise than spanlake: the accidents of its block path, by their ids in the recordings."""

from typing import NamedTuple


class Difference(NamedTuple):
    """Tempo's behaviour, and spanlake's instead."""

    tempo: str
    spanlake: str


DIFFERENCES = {
    "T01": Difference(
        "judges a filter only for spans that meet its conditions: `{ !(span.a = 1) }` finds nothing",
        "judges every span",
    ),
    "T02": Difference(
        "finds values of a literal's type only: `{ span.a = 1 }` misses 1.0", "compares numbers by value"
    ),
    "T03": Difference("`2 ^ 10` is 100", "`2 ^ 10` is 1024"),
    "T05": Difference(
        "an aggregate fails where one span has no number",
        "an aggregate takes the numbers there are",
    ),
    "T07": Difference(
        "`!=` and `!~` hold if one item of a list differs", "`!=` and `!~` hold if no item is equal or matches"
    ),
    "T08": Difference(
        "`.a = nil` holds if the span or its resource lacks it; maps and bytes are nil",
        "`.a = nil` holds if both lack it; maps and bytes are not nil",
    ),
    "T09": Difference("`event.x = nil` needs an event", "`event.x = nil` finds spans without events, too"),
    "T11": Difference("a limit keeps the traces that are found first", "a limit keeps the newest traces"),
    "T12": Difference("shows what its conditions let through", "shows every field that a query names, whole"),
    "T13": Difference("of several roots the last stored names a trace", "the root that starts first names a trace"),
    "T14": Difference("structure needs a root", "structure needs parents only"),
    "T15": Difference(
        "roots are siblings; nested sets are numbered as spans arrive",
        "roots are no siblings; nested sets are numbered by start",
    ),
    "T16": Difference("refuses `parent.`", "answers `parent.`"),
    "T17": Difference(
        "refuses aggregates on both sides, pipelines beside spansets and as numbers, and more than five labels",
        "answers them",
    ),
    "T18": Difference("`&>>` and `&<<` miss spans", "`&>>` and `&<<` find all"),
    "T19": Difference(
        "well-known attributes have one type in by() and select()", "attributes keep the types they were sent with"
    ),
    "T20": Difference("sum_over_time loses values", "sum_over_time sums all"),
    "T21": Difference("quantiles are estimated from powers of two", "a quantile is one of the values"),
    "T22": Difference("histograms leave out floats and what is below 2", "histograms hold all numbers"),
    "T23": Difference("a list is nil, or one item, as a label", "a list is a label"),
    "T24": Difference(
        "compare() counts named attributes again, and lists columns that nobody sent",
        "compare() counts each attribute once",
    ),
    "T25": Difference("samples scale a part of the spans", "hints change no figure"),
    "T26": Difference("integers wrap around at 64 bits", "what exceeds 64 bits is a float"),
    "T27": Difference("one event of a span counts", "all events of a span count"),
    "T28": Difference("the mean of negative integers is wrong", "means are exact"),
    "T29": Difference(
        "a division by zero, or two lists in a comparison, fail a query", "they are nil, and compared whole"
    ),
    "T30": Difference("a missing operand makes `||` false, and `!` of it fails", "what is missing is not true"),
    "T31": Difference("well-known attributes are no tags", "all attributes are tags"),
    "T32": Difference("narrowed tags and values are incomplete", "narrowed tags and values are complete"),
    "T33": Difference("values of status, kind and durations are numbers", "they are words, and durations with a unit"),
    "T34": Difference("values of service.name leave out the spans' own", "values are those of every scope"),
    "T35": Difference(
        "beside an `||` conditions see one event", "conditions are met by one and the same event, whichever"
    ),
    "T36": Difference(
        "`tags=` compares whole texts, and no booleans", "`tags=` finds a part of a text, numbers and booleans"
    ),
    "T37": Difference("only the durations of spans are measured in seconds", "all durations are measured in seconds"),
    "T38": Difference("a missing service.name is empty", "a missing service.name is nil"),
    "T39": Difference(
        "a span that was sent twice counts twice",
        "it counts once, in searches and in metrics; on Athena once its blocks are compacted",
    ),
    "T40": Difference("a metrics query at /api/search is answered by its filter", "it is refused"),
    "T41": Difference(
        "values of several types, and lists, stand under one name in a search's answer",
        "they are JSON text there, as Grafana's table needs one type",
    ),
}
