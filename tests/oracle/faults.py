#!/usr/bin/env python3
"""Replays the cases of faults.jsonl against a running server.

    faults.py API_URL OTLP_URL [--only F12,F13b] [--held] [--verbose]

Each case posts its spans under a tenant of its own (X-Scope-OrgID) and asks one request. F… failed when the list was made,
H… held (asked with --held too). Prints pass or FAIL for each; exit status 0 when all pass. `compare` says what of a search must be right: "found"
(traces, sets, spans, groups and figures) or "all" (also the root's names and the fields that are shown). `decisions` are those of answers.md.
"""
import argparse
import copy
import importlib.util
import json
import os
import pathlib
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("right_check", HERE.parent / "data" / "right" / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


def post(url, requests, tenant):
    for r in requests:
        req = urllib.request.Request(url.rstrip("/") + "/v1/traces", json.dumps(r).encode(), {"Content-Type": "application/json", "X-Scope-OrgID": tenant})
        with urllib.request.urlopen(req, timeout=60) as res: res.read()


def found_only(answer):
    answer = copy.deepcopy(answer)
    for t in answer.get("is", {}).values():
        t["root"] = []
        for s in t["sets"]:
            for span in s["spans"].values(): span[2] = {}
    return answer


def difference(case, got):
    right = case["right"]
    if right["status"] != 200 or got["status"] != 200:
        return None if right["status"] == got["status"] else f"status {got['status']} is not {right['status']}{': ' + got['why'] if 'why' in got else ''}"
    if case["compare"] == "found": right, got = found_only(right), found_only(got)
    return check.diff(case["request"], right, got)


def replay(api, otlp, case, tenant):
    post(otlp, case["spans"], tenant)
    status, answer = check.ask(api.rstrip("/"), case["request"], tenant=tenant)
    got = check.normal(case["request"], status, answer) if status == 200 else {"status": status, "why": str(answer)[:120].strip()}
    return difference(case, got), got


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("api"); ap.add_argument("otlp"); ap.add_argument("--only"); ap.add_argument("--held", action="store_true"); ap.add_argument("--verbose", action="store_true")
    a = ap.parse_args()
    cases = [json.loads(line) for line in open(HERE / "faults.jsonl", encoding="utf-8")]
    if a.only: cases = [c for c in cases if c["id"] in a.only.split(",")]
    elif not a.held: cases = [c for c in cases if c["id"][0] == "F"]
    run, failed = f"faults-{os.getpid():x}{int(time.time()) & 0xffffff:x}", 0
    for case in cases:
        d, got = replay(a.api, a.otlp, case, f"{run}-{case['id']}")
        failed += d is not None
        p = case["request"]["params"]
        print(f"{case['id']:5} {'pass' if d is None else 'FAIL'}  {case['title']}  [{case['decisions']}]" + ("" if d is None else f"\n        {p.get('q') or p.get('tags') or case['request']['path']}\n        {d}"))
        if a.verbose: print(f"        right {json.dumps(case['right'], ensure_ascii=False)}\n        got   {json.dumps(got, ensure_ascii=False)}")
    print(f"{len(cases) - failed}/{len(cases)} pass")
    return 1 if failed else 0


if __name__ == "__main__": sys.exit(main())
