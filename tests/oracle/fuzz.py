#!/usr/bin/env python3
"""Random spans and random queries: a running server against the oracle.

    fuzz.py API_URL OTLP_URL [--seed N] [--rounds N] [--queries N] [--themes a,b] [--no-shrink] [--json FILE]

Every round posts its spans under a tenant of its own (X-Scope-OrgID), asks, and compares by ../data/right/check.py. What differs is
shrunk to few spans and printed with the right answer and the server's. The same seed makes the same spans and queries.
"""
import argparse
import copy
import importlib.util
import json
import os
import pathlib
import random
import sys
import time
import urllib.error
import urllib.request

import api
import spans as otlp

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("right_check", HERE.parent / "data" / "right" / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

BASE = 1_795_348_800  # a round minute; times in seconds
RANGE = dict(start=BASE, end=BASE + 600)


# ---- a server --------------------------------------------------------------------------------------

class Server:
    def __init__(self, api_url, otlp_url):
        self.api, self.otlp, self.n = api_url.rstrip("/"), otlp_url.rstrip("/"), 0
        self.run = f"{os.getpid():x}{int(time.time() * 1000) & 0xffffff:x}"

    def tenant(self):
        self.n += 1
        return f"fuzz-{self.run}-{self.n}"

    def post(self, requests, tenant):
        for r in requests:
            body = json.dumps(r).encode()
            req = urllib.request.Request(self.otlp + "/v1/traces", body, {"Content-Type": "application/json", "X-Scope-OrgID": tenant})
            with urllib.request.urlopen(req, timeout=60) as res: res.read()

    def ask(self, req, tenant):
        status, answer = check.ask(self.api, req, tenant=tenant)
        if status == 200: return check.normal(req, status, answer)
        return {"status": status, "why": answer if isinstance(answer, str) else json.dumps(answer)}


def difference(server, requests, req, tenant=None):
    """(what differs or None, the right answer, the server's)."""
    if tenant is None:
        tenant = server.tenant()
        server.post(requests, tenant)
    right = answer_of(requests, req)
    got = server.ask(req, tenant)
    if right.get("ambiguous"): return None, right, got
    if right["status"] == 200 and got["status"] == 200: return check.diff(req, right, got), right, got
    return None if right["status"] == got["status"] else f"status {got['status']} is not {right['status']}: {got.get('why', '')[:160]}", right, got


def answer_of(requests, req):
    return api.Store([s for r in requests for s in otlp.from_json(copy.deepcopy(r))]).answer(req["path"], req["params"])


# ---- spans -----------------------------------------------------------------------------------------

KEYS = ["a", "b", "foo", "http.status_code", "odd key", 'q"uote']
TEXTS = ["", "x", "y", "x y", "500", "nil", "true", "é", "red"]


def any_value(rng, deep=True):
    kind = rng.choices(["int", "float", "bool", "text", "list", "empty", "map", "none"], [6, 3, 3, 6, 3 if deep else 0, 1 if deep else 0, .3 if deep else 0, .2])[0]
    if kind == "int": return {"intValue": str(rng.choice([0, 1, 2, 3, -1, -5, 7, 500, 9007199254740993]))}
    if kind == "float": return {"doubleValue": rng.choice([0.5, 1.0, 2.0, -0.25, 3.5, 500.0, 1e9])}
    if kind == "bool": return {"boolValue": rng.random() < .5}
    if kind == "text": return {"stringValue": rng.choice(TEXTS)}
    if kind == "map": return {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": "1"}}]}}
    if kind == "none": return {}
    if kind == "empty": return {"arrayValue": {"values": []}}
    first = any_value(rng, False)
    same = [v for v in (any_value(rng, False) for _ in range(8)) if v.keys() == first.keys() and v]
    return {"arrayValue": {"values": ([first] if first else []) + same[:2]}}


def attributes(rng, keys, share=.45):
    return [{"key": k, "value": any_value(rng)} for k in keys if rng.random() < share]


def make_spans(rng, traces=4):
    """Export requests with broken, rootless, doubled and circular traces, spread over the requests out of order."""
    resources = [attributes(rng, KEYS[:3]) + ([{"key": "service.name", "value": {"stringValue": rng.choice(["s1", "s2", "s3"])}}] if rng.random() < .8 else []) for _ in range(3)]
    scopes = [{"name": rng.choice(["lib", "", "net"]), "version": rng.choice(["", "1.0"]), "attributes": attributes(rng, ["z"])} for _ in range(2)]
    made = []
    for t in range(traces):
        tid = f"{rng.getrandbits(64):032x}" if rng.random() < .3 else f"{rng.getrandbits(128):032x}"
        start = (BASE + rng.choice([0, 30, 60, 61, 119, 240, 599, -30, -3500, -90])) * 10**9 + rng.choice([0, 0, 1, 500_000_000])
        count = rng.choice([1, 2, 3, 4, 5, 6])
        ids = [f"{rng.getrandbits(64):016x}" for _ in range(count)]
        shape = rng.choice(["tree", "tree", "tree", "rootless", "two roots", "circle", "twins"])
        for i, sid in enumerate(ids):
            parent = "" if i == 0 else ids[rng.randrange(i)]
            if shape == "rootless" and i == 0: parent = "00000000000000ff"
            if shape == "two roots" and i == 1: parent = ""
            if shape == "circle" and i == 0 and count > 1: parent = ids[-1]
            if shape == "twins" and i == count - 1 and i: sid = ids[0]
            at = start + i * rng.choice([0, 1_000_000, 1_000_000_000, 20_000_000_000])
            length = rng.choice([0, 0, 1, 1000, 5_000_000, 2_000_000_000, 45_000_000_000, 4_000_000_000_000])
            span = {"traceId": tid, "spanId": sid, "name": rng.choice(["get", "put", "", "db call"]), "kind": rng.randrange(6),
                    "startTimeUnixNano": str(at), "endTimeUnixNano": str(at + length), "attributes": attributes(rng, KEYS)}
            if parent: span["parentSpanId"] = parent
            if rng.random() < .6: span["status"] = {"code": rng.randrange(3), **({"message": rng.choice(["oops", ""])} if rng.random() < .4 else {})}
            events = [{"timeUnixNano": str(at + rng.choice([0, 5, 1_000_000_000, -7])), "name": rng.choice(["e1", "e2", ""]), "attributes": attributes(rng, ["x", "y"], .6)}
                      for _ in range(rng.choice([0, 0, 0, 1, 2, 2]))]
            links = [{"traceId": tid, "spanId": rng.choice(ids), "attributes": attributes(rng, ["l"], .6)} for _ in range(rng.choice([0, 0, 0, 0, 1, 2]))]
            if events: span["events"] = events
            if links: span["links"] = links
            made.append((rng.randrange(3), rng.randrange(2), span))
    rng.shuffle(made)
    size = max(1, len(made) // rng.choice([1, 2, 3]))
    return [export([m for m in made[i:i + size]], resources, scopes) for i in range(0, len(made), size)]


def export(made, resources, scopes):
    return {"resourceSpans": [{"resource": {"attributes": resources[r]}, "scopeSpans": [{"scope": scopes[c], "spans": [span]}]} for r, c, span in made]}


# ---- queries ---------------------------------------------------------------------------------------

def quoted(key): return key if key.replace(".", "").replace("_", "").isalnum() else '"' + key.replace('"', '\\"') + '"'


class Queries:
    def __init__(self, rng): self.rng = rng

    def one_of(self, *items): return self.rng.choice(items)

    def key(self): return quoted(self.rng.choices(KEYS, [6, 4, 3, 3, 1, 1])[0])

    def attribute(self, parents=True):
        return self.rng.choices(["span." + self.key(), "resource." + self.one_of("a", "b", "foo", "service.name"), "." + self.key(), "instrumentation.z",
                                 "parent.span." + self.key(), "parent.resource.a", "parent." + self.key()], [8, 3, 3, .5, *([.6, .3, .3] if parents else [0, 0, 0])])[0]

    def element(self): return self.one_of("event.x", "event.x", "event.y", "link.l")

    def literal(self):
        return self.one_of("0", "1", "2", "-1", "500", "1.0", "0.5", "3.5", "1ns", "true", "false", '"x"', '"500"', '""', '"y"', "9007199254740993", "9007199254740992.0")

    def comparison(self, field):
        what = self.rng.random()
        if what < .6: return f"{field} {self.one_of('=', '!=', '=', '!=', '<', '<=', '>', '>=')} {self.literal()}".replace("< true", "= true").replace("> true", "!= true")
        if what < .75: return f"{field} {self.one_of('=~', '!~')} {self.one_of(chr(34) + 'x.*' + chr(34), chr(34) + '.*' + chr(34), chr(34) + 'x|500' + chr(34))}"
        return f"{field} {self.one_of('=', '!=')} nil"

    def simple(self):
        return self.one_of(self.comparison(self.attribute()), self.comparison(self.attribute()), self.comparison(self.element()), self.intrinsic(), self.attribute(False))

    def intrinsic(self):
        return self.one_of("status = error", "status != ok", "kind = server", "kind != client", 'name = "get"', 'name != ""', "duration > 1ms", "duration = 0s", "duration >= 2s",
                           "trace:duration > 5ms", 'event:name = "e1"', 'event:name != "e1"', "event:name = nil", "event:timeSinceStart > 1ns", "event:timeSinceStart < 0s",
                           'rootName = "get"', 'rootServiceName != "s1"', 'rootName != ""', "span:childCount > 0", "span:childCount = 1", "nestedSetParent < 0", "parent = nil", "parent != nil", 'statusMessage = ""',
                           'instrumentation:name = "lib"', 'parent.name = "get"', "parent.duration > 1ms", "parent.status = error", "link:spanID != nil", "kind = parent.kind", "resource.service.name = nil")

    def logic(self, depth=2):
        if depth == 0 or self.rng.random() < .25: return self.simple()
        what = self.rng.random()
        if what < .25: return f"!({self.logic(depth - 1)})"
        if what < .3: return f"!{self.one_of('span.a', 'span.b', 'event.x', '.foo')}"
        return f"{self.logic(depth - 1)} {self.one_of('&&', '||')} {self.logic(depth - 1)}"

    def arithmetic(self):
        f = self.one_of("span.a", "span.b", "resource.a", ".a", "event.x", "duration", "span:childCount", "parent.span.a")
        g = self.one_of("span.b", "2", "0", "0.5", "3", "-1", "span.a", "event.y", "1ms")
        left = f"{f} {self.one_of('+', '-', '*', '/', '%', '^')} {g}"
        if self.rng.random() < .1: left = "-" + f
        return f"{left} {self.one_of('=', '!=', '>', '<', '>=')} {self.one_of('1', '0', '2.0', '4', '0.5', '-1')}"

    def filter(self, plain=.35):
        what = self.rng.random()
        return "{ }" if what < plain else "{ " + (self.simple() if what < .85 else self.logic(1)) + " }"

    def structure(self):
        op = self.one_of(">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~", "&&", "||")
        q = f"{self.filter()} {op} {self.filter()}"
        if self.rng.random() < .2: q = f"({q}) {self.one_of('>>', '&&', '||', '>')} {self.filter()}"
        return q

    def aggregate(self):
        return self.one_of("count()", f"{self.one_of('max', 'min', 'sum', 'avg')}({self.one_of('duration', 'span.a', 'span.b', '.a', 'event.x', 'span.a + 1', 'parent.span.a', 'resource.a', 'span:childCount')})")

    def scalar(self):
        a = self.aggregate()
        return f"{a} {self.one_of('>', '>=', '=', '!=', '<')} {self.one_of('1', '2', '0', '0.5', '1ms', '3')}"

    def pipeline(self):
        stages = [self.filter()]
        for _ in range(self.rng.choice([1, 1, 2])):
            stages.append(self.one_of(self.scalar(), self.scalar(), f"by({self.group()})", f"by({self.group()})", self.filter(0), f"select({self.attribute(False)}, {self.element()}, status)",
                                      f"by({self.group()}) | coalesce()"))
        return " | ".join(stages)

    def group(self):
        return self.one_of("resource.service.name", "span.a", "span.b", ".foo", "name", "status", "kind", "event:name", "event.x", "link.l", "span.a > 1", "duration > 1ms", "parent.name", "rootName", "resource.a", "span.a + 1")

    def extended(self):
        a, b = self.aggregate(), self.aggregate()
        f, g = self.filter(), self.filter()
        return self.one_of(f"{f} | {a} > {b}", f"{f} | {a} * 2 > {self.one_of('3', '1')}", f"({f} | {self.scalar()}) {self.one_of('&&', '||', '>>', '<')} {g}", f"({f} | count()) {self.one_of('>', '=', '<')} ({g} | count())",
                           f"({f} | {a}) > ({g} | {b})", f"({f} | {a}) > 1", f"{f} | {a} - {b} >= 0")

    def by(self, share=.6):
        if self.rng.random() > share: return ""
        fields = self.rng.sample(["resource.service.name", "span.a", "span.b", ".foo", "name", "status", "kind", "event:name", "event.x", "rootName", "resource.a", "parent.name"], self.rng.choice([1, 1, 1, 2]))
        return f" by ({', '.join(fields)})"

    def metric(self, short=False):
        measured = self.one_of("duration", "span.a", "span.b", ".a", "event.x", "trace:duration", "span:childCount", "event:timeSinceStart", "resource.a")
        f = self.rng.choices(["rate()", "count_over_time()", f"{self.one_of('min', 'max', 'sum', 'avg')}_over_time({measured})", f"quantile_over_time({measured}, {self.one_of('.5', '.9', '0, 1', '.25, .75')})",
                              f"histogram_over_time({measured})"], [3, 3, 5, 3, 2])[0]
        head = self.filter(.5) if short or self.rng.random() < .7 else self.one_of(self.structure(), f"{self.filter()} | {self.scalar()}", f"{self.filter()} | by({self.group()})")
        return f"{head} | {f}{self.by()}"

    def second(self):
        return self.metric(True) + self.one_of(" > 1", " >= 0.5", " != 0", " | topk(1)", " | topk(2)", " | bottomk(1)", " < 2 | topk(2)", " > 1ms")

    def math(self):
        a, b = self.metric(True), self.metric(True)
        if self.rng.random() < .5: a, b = (f"{self.filter(.4)} | {self.one_of('rate()', 'count_over_time()')}{self.by(.4)}" for _ in range(2))
        return self.one_of(f"({a}) {self.one_of('+', '-', '*', '/')} ({b})", f"({a}) {self.one_of('*', '/', '+')} 2", f"1 {self.one_of('/', '-')} ({a})", f"(({a}) + ({b})) > 0.1")

    def compare(self): return f"{self.filter(.6)} | compare({{ {self.simple()} }}{self.one_of('', ', 2')})"


THEMES = {"simple": "simple", "logic": "logic", "arithmetic": "arithmetic", "structure": "structure", "pipeline": "pipeline", "extended": "extended",
          "metric": "metric", "second": "second", "math": "math", "compare": "compare", "tags": None, "values": None, "search": None, "range": None}
SEARCHED = dict(limit=100, spss=100)


def make_request(rng, theme):
    q = Queries(rng)
    if theme in ("simple", "logic", "arithmetic"):
        return search("{ " + getattr(q, theme)() + " }")
    if theme in ("structure", "pipeline", "extended"): return search(getattr(q, theme)())
    if theme == "search":
        narrow = dict(start=BASE + rng.choice([0, 60, 100, 400]), end=BASE + rng.choice([401, 500, 600]), limit=rng.choice([1, 2, 20]), spss=rng.choice([1, 3, 100]))
        return search(q.filter(.6), **narrow)
    if theme in ("tags", "values"):
        params = dict(RANGE)
        if rng.random() < .7: params["q"] = "{ " + q.logic(1) + " }"
        if theme == "tags": return dict(area=theme, path="/api/v2/search/tags", params=params)
        name = rng.choice(["span.a", ".a", "resource.a", "name", "status", "kind", "event.x", "event:name", "duration", "resource.service.name", "rootName", "link.l", "span.http.status_code"])
        return dict(area=theme, path=f"/api/v2/search/tag/{name}/values", params=params)
    text = getattr(q, theme if theme != "range" else "metric")()
    params = dict(RANGE, q=text)
    if rng.random() < .35: return dict(area=theme, path="/api/metrics/query", params=params)
    if theme == "range": params.update(start=BASE + rng.choice([0, 7, 60, 61, 119]), end=BASE + rng.choice([120, 241, 599, 600]))
    return dict(area=theme, path="/api/metrics/query_range", params={**params, "step": rng.choice(["60s", "60s", "5m", "7s", "1h"])})


def search(text, **more): return dict(area="search", path="/api/search", params={"q": text, **RANGE, **SEARCHED, **more})


# ---- shrinking -------------------------------------------------------------------------------------

def shrunk(server, requests, req, tries=60):
    """Fewer spans, and less of each, with which the same request still differs."""
    best = requests

    def still(candidate):
        nonlocal tries
        tries -= 1
        try:
            return tries >= 0 and candidate and difference(server, candidate, req)[0] is not None
        except urllib.error.HTTPError:
            return False
    flat = [{"resourceSpans": [rs]} for r in best for rs in r["resourceSpans"]]
    together = [{"resourceSpans": [rs for r in flat for rs in r["resourceSpans"]]}]
    if still(together): best = together
    for size in (8, 4, 2, 1):
        i = 0
        while i < sum(len(r["resourceSpans"]) for r in best):
            candidate = dropped(best, i, size)
            if still(candidate): best = candidate
            else: i += size
    for path in list(removable(best)):
        candidate = copy.deepcopy(best)
        at = candidate
        try:
            for p in path[:-1]: at = at[p]
            del at[path[-1]]
        except (KeyError, IndexError):
            continue
        if still(candidate): best = candidate
    return best


def dropped(requests, i, size):
    out, n = [], 0
    for r in requests:
        kept = [rs for k, rs in enumerate(r["resourceSpans"], n) if not i <= k < i + size]
        n += len(r["resourceSpans"])
        if kept: out.append({"resourceSpans": kept})
    return out


def removable(requests):
    """Paths to what a span can do without, from the end, so that positions hold while they are taken out."""
    for a, r in reversed(list(enumerate(requests))):
        for b, rs in reversed(list(enumerate(r["resourceSpans"]))):
            span = rs["scopeSpans"][0]["spans"][0]
            base = (a, "resourceSpans", b)
            for list_of, at in ((span.get("links", ()), "links"), (span.get("events", ()), "events"), (span["attributes"], "attributes")):
                for k in reversed(range(len(list_of))): yield (*base, "scopeSpans", 0, "spans", 0, at, k)
            for k in reversed(range(len(rs["resource"].get("attributes", ())))): yield (*base, "resource", "attributes", k)
            if "status" in span: yield (*base, "scopeSpans", 0, "spans", 0, "status")


# ---- running ---------------------------------------------------------------------------------------

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("api"); ap.add_argument("otlp"); ap.add_argument("--seed", type=int, default=1); ap.add_argument("--rounds", type=int, default=5); ap.add_argument("--queries", type=int, default=40)
    ap.add_argument("--themes", default=",".join(THEMES)); ap.add_argument("--no-shrink", action="store_true"); ap.add_argument("--json", help="append what differs to this file")
    a = ap.parse_args()
    server, themes = Server(a.api, a.otlp), a.themes.split(",")
    asked, differ = dict.fromkeys(themes, 0), dict.fromkeys(themes, 0)
    for seed in range(a.seed, a.seed + a.rounds):
        rng = random.Random(seed)
        requests, tenant = make_spans(rng), server.tenant()
        server.post(requests, tenant)
        for n in range(a.queries):
            theme = themes[n % len(themes)]
            req = make_request(rng, theme)
            asked[theme] += 1
            d, right, got = difference(server, requests, req, tenant)
            if d is None: continue
            differ[theme] += 1
            few = requests if a.no_shrink else shrunk(server, requests, req)
            if few is not requests: d, right, got = difference(server, few, req)
            print(f"\n[{theme}] seed {seed}: {req['path']} {req['params']}\n    {d}", flush=True)
            if a.json:
                with open(a.json, "a", encoding="utf-8") as f: f.write(json.dumps(dict(theme=theme, seed=seed, request=req, difference=d, spans=few, right=right, got=got), ensure_ascii=False) + "\n")
    for theme in themes: print(f"{theme:12} {asked[theme] - differ[theme]}/{asked[theme]}")
    return 1 if any(differ.values()) else 0


if __name__ == "__main__": sys.exit(main())
