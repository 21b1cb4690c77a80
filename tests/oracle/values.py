"""Values as TraceQL sees them, and what may be done with them.

nil is None; booleans, integers, floats and strings are Python's own; a list is a Python list; a duration is an integer of
nanoseconds (Duration); a status or span kind is its name (Name); bytes and maps are only there, equal to nothing.
"""
import math
import re
from decimal import Decimal


class Duration(int):
    """Nanoseconds; a number like any other, but written with its unit."""


class Name(str):
    """The name of a status (`of` is "status") or of a span kind ("kind")."""

    of = "kind"


class Status(Name):
    of = "status"


class Kind(Name):
    of = "kind"


def kind(v):
    if v is None: return "nil"
    if isinstance(v, bool): return "bool"
    if isinstance(v, (int, float)): return "number"
    if isinstance(v, Name): return v.of
    if isinstance(v, str): return "string"
    if isinstance(v, list): return "list"
    return "other"


def is_number(v):
    return kind(v) == "number" and v == v


# ---- comparing (answers.md V) ----------------------------------------------------------------------

ORDER = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compare(op, a, b):
    """Whether `a op b` holds; never with nil on a side, nor between values of different kinds."""
    if a is None or b is None: return False
    if isinstance(a, list) and isinstance(b, list):
        same = len(a) == len(b) and all(compare_items("=", x, y) for x, y in zip(a, b))
        return {"=": same, "!=": not same}.get(op, False)
    if isinstance(b, list): return compare(FLIPPED.get(op, op), b, a)
    if isinstance(a, list):
        if op == "!=": return comparable(a, b) and not compare("=", a, b)
        if op == "!~": return comparable(a, b) and not compare("=~", a, b)
        return any(compare_items(op, x, b) for x in a)
    return compare_items(op, a, b)


def comparable(items, b):
    """Whether a list may be unequal to a value: it is empty, or an item is of the value's kind."""
    return not items or any(kind(x) == kind(b) for x in items)


def compare_items(op, a, b):
    k = kind(a)
    if k != kind(b) or k in ("nil", "list", "other"): return False
    if op == "=": return a == b
    if op == "!=": return a != b
    if op in ("=~", "!~"): return k == "string" and bool(regex(b).fullmatch(a)) == (op == "=~")
    if k not in ("number", "string"): return False
    return ORDER[op](a, b)


def regex(text):
    """RE2 by way of Python's re, for the plain patterns of tests: a dot takes a line break too, as in Tempo."""
    return re.compile(text.replace("\\z", "\\Z"), re.DOTALL)


# ---- computing (answers.md N) ----------------------------------------------------------------------

def compute(op, a, b):
    """`a op b` of two numbers, or None: integers stay exact, a result beyond 64 bits is a float."""
    if not (is_number(a) and is_number(b)): return None
    try:
        r = _compute(op, a, b)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    if isinstance(r, complex) or r != r: return None
    if isinstance(r, int) and not -(2**63) <= r < 2**63: return as_float(r)
    return r


def as_float(whole):
    """An integer as a float; nil where it exceeds the largest."""
    try:
        return float(whole)
    except OverflowError:
        return None


def _compute(op, a, b):
    ints = isinstance(a, int) and isinstance(b, int)
    if ints: a, b = int(a), int(b)
    if op == "+": return a + b
    if op == "-": return a - b
    if op == "*": return a * b
    if op == "/": return truncated(a, b) if ints else a / b
    if op == "%": return a - b * truncated(a, b) if ints else math.fmod(a, b)
    if ints and b < 0: return float(a) ** b
    return a**b if not ints or abs(a) <= 1 or b <= 4096 else float(a) ** b


def truncated(a, b):
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


# ---- writing ---------------------------------------------------------------------------------------

def duration_text(ns):
    """A duration as Go writes it: 1h2m3.5s, 1.5ms, 0s."""
    if ns == 0: return "0s"
    sign, n = ("-" if ns < 0 else ""), abs(ns)
    for unit, size in (("ns", 1), ("µs", 1000), ("ms", 10**6)):
        if n < size * 1000: return sign + decimal(n, size) + unit
    minutes, rest = divmod(n, 60 * 10**9)
    text = decimal(rest, 10**9) + "s"
    if minutes: text = f"{minutes % 60}m" + text
    if minutes >= 60: text = f"{minutes // 60}h" + text
    return sign + text


def decimal(n, size):
    whole, part = divmod(n, size)
    return str(whole) + (("." + str(part).rjust(len(str(size)) - 1, "0")).rstrip("0").rstrip(".") if part else "")


def shown(v):
    """A value as an answer holds it (the value inside of an OTLP AnyValue): nil is written as the text nil."""
    if v is None: return "nil"
    if isinstance(v, Duration): return duration_text(v)
    if isinstance(v, Name): return str(v)
    if isinstance(v, list): return [shown(x) for x in v]
    if isinstance(v, bytes):
        import base64
        return base64.b64encode(v).decode()
    return v


def text(v):
    """A value as a query writes it, in names of groups such as by(duration > 1s)."""
    if v is None: return "nil"
    if isinstance(v, bool): return "true" if v else "false"
    if isinstance(v, Name): return str(v)
    if isinstance(v, str): return "`" + v + "`"
    if isinstance(v, Duration): return duration_text(v)
    if isinstance(v, float):
        t = number_text(v)
        return t if "e" in t or "." in t else t + ".0"
    return str(v)


def number_text(f):
    """A float in Go's shortest form %g: 2.5, 123456, 1.5e+06, 1e-07."""
    if f != f: return "NaN"
    if math.isinf(f): return "+Inf" if f > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(f)).as_tuple()
    digits = "".join(map(str, digits))
    point = len(digits) + exponent  # where the decimal point stands among the digits
    digits = digits.rstrip("0") or "0"
    if f == 0: point = 1
    if not -4 <= point - 1 < 6:
        return "-" * sign + digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1:+03d}"
    if point <= 0: return "-" * sign + "0." + "0" * -point + digits
    return "-" * sign + digits[:point].ljust(point, "0") + ("." + digits[point:] if digits[point:] else "")


def key_of(v):
    """Something hashable that two values share exactly when they group together: same type, same value."""
    if isinstance(v, list): return ("list", tuple(key_of(x) for x in v))
    if isinstance(v, dict): return ("map", tuple(sorted((k, key_of(x)) for k, x in v.items())))
    return (type(v).__name__, v)
