#!/usr/bin/env python3
"""Right answers to requests of the HTTP API, in the normal form of ../data/conformance/check.py.

    api.py SPANS PATH [NAME=VALUE ...]      SPANS: a file of export requests (as dataset.otlp), or OTLP JSON (.json)
"""
import json
import re
import sys

import metrics
import spans as otlp
import syntax
from evaluate import SpanSet, holds, run, values_of
from spans import intrinsic, service
from syntax import Field, Refused
from values import Duration, Kind, Name, Status, duration_text, kind, number_text, shown

NO_ROOT = "<root span not yet received>"
HIDDEN = ("name", "duration", "traceDuration", "rootName", "rootServiceName", "trace:id", "span:id")
INTRINSIC_TAGS = sorted(set(syntax.INTRINSICS) - {"span:childCount", "nestedSetLeft", "nestedSetRight", "nestedSetParent", "parent"})
SCOPES = ("span", "resource", "event", "link", "instrumentation")


class Store:
    """What a server holds."""

    def __init__(self, spans):
        self.traces = otlp.traces(list(spans))

    def answer(self, path, params):
        """{"status": ..., "is": ...} for the requests that the oracle knows, None for others."""
        found = self.with_cells(path, params)
        if found and path == "/api/search" and "is" in found: one_type_a_name(found["is"])
        return found

    def as_stored(self, path, params):
        """The same, with shown values of whatever type they are (before P7)."""
        found = self.with_cells(path, params)
        if found and path == "/api/search" and "is" in found:
            for s in (s for t in found["is"].values() for s in t["sets"]): s.pop("cells", None)
        return found

    def with_cells(self, path, params):
        self.is_ambiguous = False  # two series of the answer are written with the same labels
        try:
            found = self._answer(path, params)
        except Refused as e:
            return {"status": 400, "why": str(e)}
        if found is None: return None
        return {"status": 200, "is": found, **({"ambiguous": True} if self.is_ambiguous else {})}

    def _answer(self, path, params):
        if path == "/api/search":
            if "q" in params: return self.search(params)
            return self.search_tags(params)
        if path in ("/api/metrics/query_range", "/api/metrics/query"): return self.metrics(path, params)
        if path == "/api/search/tags": return self.tag_names(params)
        if path == "/api/v2/search/tags": return self.tag_scopes(params)
        if m := re.fullmatch(r"/api/v2/search/tag/(.+)/values", path): return self.tag_values(m[1], params)
        if m := re.fullmatch(r"/api/search/tag/(.+)/values", path): return self.old_tag_values(m[1], params)
        return None

    # -- search

    def search(self, params):
        query = syntax.parse(params["q"])
        if query.is_metrics: raise Refused("a metrics query finds no spans")
        found = []
        for t in self.in_range(params):
            sets = run(query.root, [SpanSet(t.spans)])
            if sets: found.append((t, sets))
        fields = [f for f in syntax.named_fields(query.root) if not (f.scope == "intrinsic" and not f.parent and f.name in HIDDEN)]
        most = int(params.get("spss", 3)) or 3
        return {t.id: {**header(t), "sets": [shown_set(s, fields, most) for s in sets]} for t, sets in newest(found, params)}

    def search_tags(self, params):
        wanted = [tag_condition(k, v) for k, v in pairs(params.get("tags", ""))]
        least, most = (syntax_duration(params.get(name)) for name in ("minDuration", "maxDuration"))
        found = []
        for t in self.in_range(params):
            if least is not None and t.duration < least or most is not None and t.duration > most: continue
            if all(any(c(s) for s in t.spans) for c in wanted): found.append((t, None))
        return {t.id: {**header(t), "sets": []} for t, _ in newest(found, params)}

    def in_range(self, params):
        start, end = (int(params[n]) * 10**9 if n in params else None for n in ("start", "end"))
        return [t for t in self.traces.values() if (end is None or t.start <= end) and (start is None or t.end >= start)]

    # -- metrics

    def metrics(self, path, params):
        query = syntax.parse(params["q"])
        if not query.is_metrics: raise Refused("not a metrics query")
        start, end = (int(params[n]) * 10**9 for n in ("start", "end"))
        if path.endswith("query"): steps = metrics.Steps.instant(start, end)
        else: steps = metrics.Steps.ranged(start, end, step_of(params["step"]))
        out = {}
        for s in metrics.answer(query.root, self.traces.values(), steps):
            key = json.dumps(sorted(metrics.labels_shown(s), key=lambda l: json.dumps(l, ensure_ascii=False)), ensure_ascii=False)
            self.is_ambiguous = self.is_ambiguous or key in out  # nil, and the text "nil": both are written so
            if path.endswith("query"): out[key] = {"value": float(s.values[end])}
            else: out[key] = {str(t // 10**6): float(v) for t, v in sorted(s.values.items())}
        return out

    # -- tags

    def spans_in_range(self, params):
        start, end = (int(params[n]) * 10**9 if n in params else None for n in ("start", "end"))
        query = lenient(params.get("q"))
        return [s for t in self.traces.values() for s in t.spans
                if (end is None or s.start <= end) and (start is None or s.start + s.duration >= start) and (query is None or holds(query, s))]

    def tag_scopes(self, params):
        scope = params.get("scope", "none")
        if scope not in (*SCOPES, "intrinsic", "none"): raise Refused(f"unknown scope {scope}")
        spans = self.spans_in_range(params)
        found = {name: sorted({k for s in spans for items in of_scope(s, name) for k, v in items.items() if v is not None}) for name in SCOPES}
        found["intrinsic"] = INTRINSIC_TAGS
        return {name: tags for name, tags in found.items() if tags and scope in (name, "none")}

    def tag_names(self, params):
        found = self.tag_scopes({k: v for k, v in params.items() if k != "q"})
        if params.get("scope") != "intrinsic": found.pop("intrinsic", None)
        return sorted({tag for tags in found.values() for tag in tags})

    def tag_values(self, tag, params):
        field = syntax.parse_field(tag)
        return sorted(map(list, self.offered([field], params)))

    def old_tag_values(self, tag, params):
        field = {"name": Field("intrinsic", "name"), "root.name": Field("intrinsic", "rootName"), "status.code": Field("intrinsic", "status"),
                 "root.service.name": Field("intrinsic", "rootServiceName")}.get(tag)
        fields = [field] if field else [Field(scope, tag) for scope in SCOPES]
        return sorted({text for _, text in self.offered(fields, params)})

    def offered(self, fields, params):
        """The values that can be asked for; without any, and unless a filter narrows them, the others as text."""
        every = [v for s in self.spans_in_range(params) for f in fields for v in every_value(f, s)]
        found = {typed for v in every if (typed := typed_text(v)) is not None}
        return found or ({("string", json_text(v)) for v in every} if not params.get("q") else set())


def newest(found, params):
    return sorted(found, key=lambda f: (-f[0].start, f[0].id))[:int(params.get("limit", 20))]


def header(t):
    root = [service(t.root), t.root.name] if t.root else [NO_ROOT, ""]
    return {"root": root, "start": t.start, "ms": t.duration // 10**6}


def shown_set(s, fields, most):
    spans = sorted(s.spans, key=lambda p: (p.start, p.span_id))[:most]
    cells = [shown_fields(fields, p) for p in spans]  # of all spans, also of those that share an id
    return {"matched": len(s.spans), "attributes": {n: shown(v) for n, v in s.attributes}, "cells": cells,
            "spans": {p.span_id: [p.start, p.duration, cell] for p, cell in zip(spans, cells)}}


def shown_fields(fields, p):
    """Every field that the query names, by its key, where the span has it. A list for several events or links."""
    out = {}
    for f in fields:
        found = values_of(f, p) if f != Field("intrinsic", "parent") else []
        if not found: continue
        v = shown(found[0]) if len(found) == 1 else [shown(x) for x in found]
        out[("parent." if f.parent else "") + f.name] = v
    return out


def one_type_a_name(traces):
    """P7: lists and maps are shown as JSON text, and so is all that stands under a name beside values of another kind."""
    cells = [cell for t in traces.values() for s in t["sets"] for cell in (s["attributes"], *s.pop("cells", ()))]
    for cell in cells: cell.update({k: json_text(v) for k, v in cell.items() if isinstance(v, (list, dict))})
    kinds = {}
    for cell in cells:
        for k, v in cell.items(): kinds.setdefault(k, set()).add("number" if type(v) in (int, float) else type(v))
    for cell in cells: cell.update({k: json_text(v) for k, v in cell.items() if len(kinds[k]) > 1 and not isinstance(v, str)})


def json_text(v): return json.dumps(v, ensure_ascii=False, separators=(",", ":"))


def of_scope(s, name):
    if name == "span": return [s.attributes]
    if name == "resource": return [s.resource]
    if name == "instrumentation": return [s.scope]
    return [e.attributes for e in (s.events if name == "event" else s.links)]


def every_value(f, s):
    if f == Field("intrinsic", "parent"): return []
    if f.scope == "" and not f.parent:  # the lists of an attribute without a scope hold those of spans and resources
        found = [d.get(f.name) for d in (s.attributes, s.resource)]
    else: found = values_of(f, s)
    return [x for v in found for x in (v if isinstance(v, list) and v else [v]) if x is not None]


def typed_text(v):
    if isinstance(v, bool): return "bool", "true" if v else "false"
    if isinstance(v, Duration): return "duration", duration_text(v)
    if isinstance(v, int): return "int", str(v)
    if isinstance(v, float): return "float", number_text(v) if any(c in number_text(v) for c in "e.N") else number_text(v) + ".0"
    if isinstance(v, Name): return "keyword", str(v)
    if isinstance(v, str): return "string", v
    return None


def step_of(text):
    if re.fullmatch(r"\d+(\.\d+)?", text): return int(float(text) * 10**9)
    return syntax_duration(text)


def syntax_duration(text):
    if not text: return None
    (what, v), = syntax.tokens(text)
    if what != "duration": raise Refused(f"no duration: {text}")
    return int(v)


def pairs(text):
    for m in re.finditer(r'([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)', text):
        yield m[1], m[2][1:-1].replace('\\"', '"') if m[2].startswith('"') else m[2]


def tag_condition(key, wanted):
    """Of a search by tags: some attribute of a span or its resource has the value, text as a part of it, whatever the case."""
    of_trace = {"name": "name", "root.name": "rootName", "root.service.name": "rootServiceName"}.get(key)
    if of_trace: return lambda s: wanted.lower() in intrinsic(s, of_trace).lower()
    if key == "status.code": return lambda s: s.status == wanted
    return lambda s: any(matches_tag(v, wanted) for d in (s.attributes, s.resource) if key in d for v in (d[key] if isinstance(d[key], list) else [d[key]]))


def matches_tag(v, wanted):
    if kind(v) == "string": return wanted.lower() in v.lower()
    typed = typed_text(v)
    return typed is not None and typed[1] == wanted


def lenient(q):
    """The filter that narrows tags: of an incomplete one the conditions that are whole; None where nothing is."""
    if not q or not q.strip(): return None
    try:
        stage = syntax.parse(q).root.stages[0]
        return stage.expr
    except (Refused, AttributeError):
        pass
    inner = q.strip().removeprefix("{").removesuffix("}")
    whole = []
    for part in inner.split("&&"):
        try:
            whole.append(syntax.parse("{" + part + "}").root.stages[0].expr)
        except (Refused, AttributeError):
            continue
    if not whole: return None
    expr = whole[0]
    for more in whole[1:]: expr = syntax.Binary("&&", expr, more)
    return expr


def load(path):
    if path.endswith(".json"):
        with open(path) as f: found = json.load(f)
        return [s for r in (found if isinstance(found, list) else [found]) for s in otlp.from_json(r)]
    return list(otlp.read_file(path))


if __name__ == "__main__":
    source, path, *rest = sys.argv[1:]
    print(json.dumps(Store(load(source)).answer(path, dict(p.split("=", 1) for p in rest)), indent=1, ensure_ascii=False))
