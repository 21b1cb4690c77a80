#!/usr/bin/env python3
"""Makes a file of right answers from a file of Tempo's recorded ones.

    right.py SPANS RECORDED.jsonl.gz RIGHT.jsonl.xz

Every request is answered by the oracle. Where that is what was recorded, `origin` is "tempo"; elsewhere the answer is the
oracle's and `reason` names the decisions of answers.md that part the two. A difference that no decision explains is an error.
Requests for whole traces, and those refused for their parameters, keep what was recorded.
"""
import collections
import copy
import gzip
import importlib.util
import json
import lzma
import pathlib
import re
import sys

import api
import syntax
from evaluate import ancestors

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("right_check", HERE.parent / "data" / "right" / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

KEPT = ("lookups", "traces")
COLUMNS = ("http.method", "http.url", "http.route", "http.status_code", "k8s.pod.name", "k8s.namespace.name", "k8s.cluster.name", "k8s.container.name",
           "http.request.method", "http.response.status_code", "url.path", "url.route", "server.address", "server.port")


def recorded(path): return [json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8")]


class Explained:
    """Two answers, brought nearer to each other by one decision after the other."""

    def __init__(self, store, row, right):
        self.store, self.row = store, row
        self.right, self.tempo = copy.deepcopy(right), copy.deepcopy(row["want"])
        self.reasons = []
        self.query = row["params"].get("q", "")

    def differs(self): return check.diff(self.row, self.right, self.tempo)

    def reason(self):
        """The decisions that part the answers; raises where they do not suffice."""
        if self.right["status"] != self.tempo["status"]: return self.refused()
        if "limit" not in self.row["params"] and self.row["area"] == "params" or self.row["params"].get("limit", 1000) < 1000:
            if self.right["is"].keys() != self.tempo["is"].keys(): return ["T11"]
        for name, step in (("T13", self.roots), ("T15", self.numbers), ("T12", self.shown)):
            if self.differs() is None: break
            if self.row["path"] == "/api/search" and step(): self.reasons.append(name)
        if self.differs() is None: return self.reasons
        found = self.by_query()
        if not found: raise SystemExit(f"#{self.row['id']} {self.row['path']} {self.row['params']}: no decision explains that {self.differs()}")
        return self.reasons + [r for r in found if r not in self.reasons]

    def refused(self):
        if self.right["status"] == 200 and ("parent" in self.query or syntax.parse(self.query)): return ["T16" if "parent" in self.query else "T17"]
        raise SystemExit(f"#{self.row['id']}: {self.tempo} is not {self.right}")

    def roots(self):
        """Which of several roots names a trace."""
        changed = False
        for tid, t in self.tempo["is"].items():
            if len(self.store.traces[tid].roots) > 1 and tid in self.right["is"] and t["root"] != self.right["is"][tid]["root"]:
                t["root"], changed = self.right["is"][tid]["root"], True
        return changed

    def numbers(self):
        """In which order the spans of a tree are numbered."""
        changed = False
        for tid, t in self.tempo["is"].items():
            for s in t["sets"]:
                for sid, span in s["spans"].items():
                    for r in self.right["is"].get(tid, {}).get("sets", ()):
                        for k, v in r["spans"].get(sid, [0, 0, {}])[2].items():
                            if k.startswith("nestedSet") and span[2].get(k, v) != v: span[2][k], changed = v, True
        return changed

    def shown(self):
        """What is shown of a span: Tempo leaves fields out, and items of lists; it must not show anything else."""
        changed = False
        for tid, t in self.tempo["is"].items():
            for s in t["sets"]:
                for sid, span in s["spans"].items():
                    own = next((r["spans"][sid][2] for r in self.right["is"].get(tid, {}).get("sets", ()) if sid in r["spans"]), None)
                    if own is not None and not check.near(own, span[2]) and all(part_of(v, own.get(k)) or v == "nil" and k in COLUMNS for k, v in span[2].items()):
                        if any(v == "nil" and k in own for k, v in span[2].items()) and "T19" not in self.reasons: self.reasons.append("T19")
                        span[2], changed = own, True
        return changed

    def by_query(self):
        q, path = self.query, self.row["path"]
        if "/search/tag" in path: return self.of_tags()
        if path == "/api/search" and "tags" in self.row["params"]: return ["T13"] if "root" in self.row["params"]["tags"] else ["T36"]
        if path.startswith("/api/metrics"): return [t for t, pattern in METRICS if re.search(pattern, q)]
        return self.structure() or [t for t, pattern in SEARCHES if re.search(pattern, q)]

    def structure(self):
        """Relations below a missing root (T14), between roots (T15), unions (T18): left out, nothing else may differ."""
        found = []
        relations = set(re.findall(r"[!&]?(?:>>|<<|[<>~](?!=))(?= *[({])", self.query)) | set(re.findall(r"nestedSet|childCount", self.query))
        if not relations: return found
        steps = [("T14", lambda t: any(s.parent_id and not (ancestors(s) or [s])[-1].trace.roots or not s.parent and s.parent_id for s in t.spans))]
        if any("~" in r for r in relations) or "nestedSet" in relations: steps.append(("T15", lambda t: len(t.roots) > 1))
        if any(r.startswith("&") and len(r) == 3 for r in relations): steps.append(("T18", lambda t: True))
        for name, concerns in steps:
            if self.differs() is None: break
            for answer in (self.right, self.tempo):
                for tid in [tid for tid in answer["is"] if concerns(self.store.traces[tid])]: del answer["is"][tid]
            found.append(name)
        return found if self.differs() is None else []

    def of_tags(self):
        path, found = self.row["path"], []
        values = self.row["path"].endswith("/values")
        missing_columns = any(c in json.dumps(self.right["is"]) for c in COLUMNS) if not values else any(c in path for c in COLUMNS)
        if missing_columns: found.append("T31")
        if self.query: found.append("T32")
        if re.search(r"(status|kind|[dD]uration|status.code)/values", path): found.append("T33")
        if "root" in path: found.append("T13")
        if "nestedSet" in path: found.append("T15")
        if path == "/api/search/tag/service.name/values": found.append("T34")
        return found


def agrees(row, right): return check.diff(row, right, row["want"]) is None and right["status"] == row["want"]["status"]


def part_of(v, whole): return v == "nil" and whole is None or check.near(v, whole) or isinstance(whole, list) and any(check.near(v, x) for x in whole)


SEARCHES = [  # what a query must have for a decision to matter
    ("T13", r"root(Name|Service)"),
    ("T01", r"!\(|true \|\||\| \{"),
    ("T02", r"(score|load) *[<>=!]+ *-?\d|200\.0|299\.5"),
    ("T03", r"\^"),
    ("T05", r"(max|avg|min|sum)\(.*(rows|status_code)"),
    ("T07", r"(tags|codes|zones) *(!=|!~)"),
    ("T08", r"\.foo = nil|nested != nil"),
    ("T09", r"event\.[a-z.]+ = nil"),
    ("T19", r"by\(span\.http"),
]
METRICS = [
    ("T13", r"trace:rootService"),
    ("T14", r"\} >+ \{"),
    ("T19", r"by \(span\.http"),
    ("T20", r"sum_over_time"),
    ("T21", r"quantile_over_time"),
    ("T22", r"histogram_over_time"),
    ("T23", r"by \(span\.tags"),
    ("T24", r"compare\("),
    ("T25", r"sample="),
]


def main():
    source, answers, out = sys.argv[1:]
    store = api.Store(api.load(source))
    count, made = collections.Counter(), []
    for row in recorded(answers):
        is_kept = row["area"] in KEPT or row["area"] == "params" and row["want"]["status"] != 200
        right = None if is_kept else store.answer(row["path"], row["params"])
        if right is None or agrees(row, right):
            want, more = row["want"], {"origin": "tempo"}
        else:
            stored = store.as_stored(row["path"], row["params"])
            reasons = [] if agrees(row, stored) else Explained(store, row, stored).reason()
            if check.diff(row, right, stored) is not None: reasons.append("T41")
            want, more = {k: v for k, v in right.items() if k != "why"}, {"origin": "oracle", "reason": " ".join(sorted(reasons))}
        count[more.get("reason", "tempo")] += 1
        made.append({**{k: v for k, v in row.items() if k != "want"}, **more, "want": want})
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made).encode()
    pathlib.Path(out).write_bytes(lzma.compress(lines, preset=9) if out.endswith(".xz") else gzip.compress(lines, mtime=0))
    for reason, n in sorted(count.items()): print(f"{n:4} {reason}")


if __name__ == "__main__":
    main()
