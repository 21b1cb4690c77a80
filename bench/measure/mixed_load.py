"""Measures a server under a mixed load: all protocols at a given rate, queries beside, and tenants of which one floods.

``python -m bench.measure.mixed_load --seconds 60 --spans-per-second 5000 --tenants 20 --flood 8`` runs three phases of
so many seconds: the load, the load while a tenant sends and asks as fast as it can on ``--flood`` connections of each
kind (none unless told), and the load again.

``python -m bench.measure.mixed_load --share 0.8 --seconds 600 --tenants 20 --flood 8`` first finds the highest rate
that the server serves, all protocols mixed and queries beside: nothing is refused and nothing late. Its phases are the
load at a twentieth of that rate, alone and with a flood; at the share, alone for ``--seconds`` and with a flood; at
``--overload`` times the highest rate; and at the share again, to see how soon all is as before. Senders wait for their
answers, so that few requests are under way: ``--in-flight 1MiB`` makes the server refuse some all the same.

At the end the spans of each tenant are counted: none that was acknowledged may be missing. Times count from the moment
at which a request was due, so that a server that stalls does not hide it.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from rich.table import Table

from bench.measure.load import FLOODING, MEMORY_SECONDS, QUERIES, STORED, Load, Seen
from bench.measure.report import console
from bench.measure.server import Server, serving
from bench.workload.mixed import ask, protocols

_MIB = 1 << 20
_SHOWN_MEMORY = 12  # moments of a phase
_PROBES = 10
_PROBE_SECONDS = 15.0
_CLOSE = 1.15
"""Ratio of a rate that was not served to one that was, at which the search ends."""
_SERVED_SECONDS = 0.5
"""The 99th percentile of requests to store spans up to which a rate is served; beyond it a queue grows."""
_REFUSED_SHARE = 0.001
_IDLE_SHARE = 0.05
_SLOWER = 0.9
_WARM_SECONDS = 60.0
_AFTER_SECONDS = 60.0
_SETTLED_SECONDS = 3.0
"""Time for which all answers have to come as quickly as before an overload, for it to be over."""


def found_spans(server: Server, tenant: str) -> int:
    """Count the spans of a tenant."""
    path = "/api/metrics/query?q=" + quote("{ } | count_over_time()") + "&since=2h"
    status, body = ask(server.tempo, path, {"X-Scope-OrgID": tenant})
    if status != 200:
        raise RuntimeError(f"the spans of {tenant} cannot be counted: {status} {body[:300]!r}")
    return sum(int(series["value"]) for series in json.loads(body).get("series", []))


def _quantile(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


def p99(*phases: Seen) -> dict[str, float]:
    """Return the 99th percentile of all phases in seconds by kind: ingest of all protocols, and each query."""
    kinds: dict[str, list[float]] = {}
    for name, times in (each for seen in phases for each in seen.times.items()):
        kinds.setdefault(name if name in QUERIES else "ingest", []).extend(seconds for _, seconds in times)
    return {kind: _quantile(times, 0.99) for kind, times in sorted(kinds.items())}


def _shown(name: str, seen: Seen) -> Table:
    title = f"{name}: {seen.processors:.2f} processors by the server, {seen.share:.0%} of the machine"
    table = Table("request", "count", "p50 ms", "p99 ms", "most ms", title=title)
    for each, times in sorted(seen.times.items()):
        seconds = [seconds for _, seconds in times]
        shares = (f"{_quantile(seconds, share) * 1000:.0f}" for share in (0.5, 0.99, 1.0))
        table.add_row(each, str(len(times)), *shares)
    return table


def _told(seen: Seen) -> Iterator[str]:
    yield f"answers: {dict(seen.answers)}; refused without a hint: {dict(seen.refused_without_hint)}"
    yield f"due and not sent: {seen.unsent}"
    if seen.flood:
        yield f"the flooding tenant's answers: {dict(seen.flood)}"
    steps = seen.memory[:: max(len(seen.memory) // _SHOWN_MEMORY, 1)]
    yield f"memory in MiB over time: {' '.join(str(size // _MIB) for size in steps)}; most {max(seen.memory) // _MIB}"


def main() -> None:
    """Run the measurement; exit status 1 when acknowledged spans are missing, or a refusal had no hint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each phase, or of the load at a share")
    parser.add_argument("--spans-per-second", type=float, default=5000.0)
    parser.add_argument("--spans", type=int, default=100, help="of a request")
    parser.add_argument("--tenants", type=int, default=1, help="that send and ask at the rate, all together")
    parser.add_argument(
        "--flood", type=int, default=0, help="connections of one more tenant that sends, and as many that ask"
    )
    parser.add_argument(
        "--ask-every",
        type=float,
        default=2.0,
        help="seconds between runs of each query, which tell more of the slowest",
    )
    parser.add_argument("--limits", help="limits of the flooding tenant, such as 'ingest-rate = \"1MB\"'")
    parser.add_argument(
        "--in-flight", metavar="SIZE", help="of requests that the server takes at once, and of the largest"
    )
    parser.add_argument("--checkout", type=Path, help="folder of another version, whose server is measured")
    parser.add_argument("--share", type=float, help="of the highest rate that is served, in place of a rate")
    parser.add_argument("--overload", type=float, default=2.0, help="times the highest rate that is served")
    parser.add_argument("--overload-seconds", type=float, default=120.0)
    parser.add_argument("--flood-seconds", type=float, default=60.0, help="of each phase with a flood, beside --share")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder) / "limits.toml"
        limits.write_text(f"[tenants.{FLOODING}]\n{args.limits or ''}\n")
        options = ["--limits", str(limits)]
        if args.in_flight:
            options += ["--max-in-flight-bytes", args.in_flight, "--max-request-bytes", args.in_flight]
        with serving(Path(folder) / "data", *options, checkout=args.checkout) as server:
            tenants = [f"tenant-{number}" for number in range(args.tenants)]
            load = Load(server, protocols(args.spans), args.spans, tenants, args.ask_every)
            load.phase(5.0, args.spans_per_second / 5)  # what is loaded with the first requests is not measured
            is_right = _with_share(load, args) if args.share else _with_flood(load, args)
            missing = _missing(load)
    raise SystemExit(0 if is_right and not missing else 1)


def _phase(load: Load, name: str, seconds: float, spans_per_second: float, connections: int = 0) -> Seen:
    """Run a phase, and print what was seen."""
    seen = load.phase(seconds, spans_per_second, connections)
    out = console()
    out.print(_shown(name, seen))
    for line in _told(seen):
        out.print(line)
    return seen


def _with_flood(load: Load, args: argparse.Namespace) -> bool:
    quiet = _phase(load, "load", args.seconds, args.spans_per_second)
    flooded = _phase(load, "load and flood", args.seconds, args.spans_per_second, args.flood)
    again = _phase(load, "load again", args.seconds, args.spans_per_second)
    without, during = p99(quiet, again), p99(flooded)
    if args.flood:
        ratios = ", ".join(f"{kind} {during[kind] / without[kind]:.1f}" for kind in without if kind in during)
        console().print(f"p99 with the flood, in times of p99 without: {ratios}")
    return not any(seen.refused_without_hint for seen in (quiet, flooded, again))


def _with_share(load: Load, args: argparse.Namespace) -> bool:
    highest = _served_rate(load, args.spans_per_second)
    rate = _steady_rate(load, highest * args.share)
    few, flood, at = highest * _IDLE_SHARE, args.flood_seconds, f"{args.share:.0%}, {rate:.0f} spans/s"
    seen = {
        "idle": _phase(load, f"nearly idle, {few:.0f} spans/s", flood, few),
        "idle and flood": _phase(load, "nearly idle, and a flood", flood, few, args.flood),
        "share": _phase(load, at, args.seconds, rate),
        "share and flood": _phase(load, f"{at}, and a flood", flood, rate, args.flood),
        "overload": _phase(load, f"{args.overload:.0%}", args.overload_seconds, highest * args.overload),
        "after": _phase(load, f"{at}, again", _AFTER_SECONDS, rate),
    }
    out = console()
    for name, one in seen.items():
        out.print(f"p99 in ms, {name}: {_in_ms(p99(one))}; refused {_refused_share(one):.2%}")
    if args.flood:
        for during, before in (("idle and flood", "idle"), ("idle and flood", "share"), ("share and flood", "share")):
            out.print(f"p99, {during} in times of {before}: {_ratios(seen[before], seen[during])}")
    out.print(f"memory in MiB at {args.share:.0%} after a minute: {_steady_memory(seen['share'])}")
    recovered = recovery_seconds(seen["share"], seen["after"])
    out.print("not recovered" if recovered is None else f"recovered {recovered:.0f} s after the overload")
    return recovered is not None and not any(one.refused_without_hint for one in seen.values())


def _ratios(before: Seen, during: Seen) -> str:
    ones, others = p99(before), p99(during)
    return ", ".join(f"{kind} {others[kind] / ones[kind]:.1f}" for kind in ones if kind in others)


def _steady_memory(seen: Seen) -> str:
    """Return the least and most memory of a phase, without its first minute."""
    steady = seen.memory[round(_WARM_SECONDS / MEMORY_SECONDS) :] or seen.memory
    return f"{min(steady) // _MIB} to {max(steady) // _MIB}, {steady[0] // _MIB} first, {steady[-1] // _MIB} last"


def _in_ms(quantiles: dict[str, float]) -> str:
    return ", ".join(f"{kind} {seconds * 1000:.0f}" for kind, seconds in quantiles.items())


def _served_rate(load: Load, first: float) -> float:
    """Find the highest rate that is served, within some percent."""
    rate, served, failed = first, 0.0, float("inf")
    for _ in range(_PROBES):
        seen = load.phase(_PROBE_SECONDS, rate)
        is_good = is_served(seen)
        told = f"{rate:.0f} spans/s: {'served' if is_good else 'not served'}, refused {_refused_share(seen):.2%}"
        ingest = f"p99 of ingest {p99(seen).get('ingest', float('nan')) * 1000:.0f} ms, not sent {seen.unsent}"
        console().print(f"{told}, {ingest}, {seen.processors:.2f} processors, {seen.share:.0%} of the machine")
        served, failed = (rate, failed) if is_good else (served, min(rate, failed))
        if served and failed / served < _CLOSE:
            break
        if not is_good:
            load.phase(_SETTLED_SECONDS, first / 10)  # until nothing waits any more
        rate = rate / 2 if not served else served * 1.5 if failed == float("inf") else (served * failed) ** 0.5
    if not served:
        raise RuntimeError("the server serves no rate that was tried: begin with a lower --spans-per-second")
    return served


def _steady_rate(load: Load, rate: float) -> float:
    """Return the rate, or less where it is not served for a minute, in which blocks are merged, too."""
    for _ in range(_PROBES):
        if is_served(load.phase(_WARM_SECONDS, rate)):
            return rate
        rate *= _SLOWER
        console().print(f"not served for {_WARM_SECONDS:.0f} s: {rate:.0f} spans/s are tried")
        load.phase(_SETTLED_SECONDS, rate / 10)
    raise RuntimeError(f"no rate was served for {_WARM_SECONDS:.0f} s")


def is_served(seen: Seen) -> bool:
    """True where hardly any request was refused and spans were stored in time."""
    is_quick = p99(seen).get("ingest", float("inf")) <= _SERVED_SECONDS
    return is_quick and not seen.unsent and _refused_share(seen) <= _REFUSED_SHARE


def _refused_share(seen: Seen) -> float:
    refused = sum(count for status, count in seen.answers.items() if status not in STORED)
    return refused / max(seen.answers.total(), 1)


def recovery_seconds(usual: Seen, after: Seen) -> float | None:
    """Return the seconds from the start of a phase from which on spans are stored as quickly as usual; None for never.

    As quickly as usual is within the slowest of the usual phase, for so long that it is no chance. Queries have more
    spans to read than before.
    """
    bound = max(seconds for _, seconds in _ingest(usual))
    slow = [at - after.begin for at, seconds in _ingest(after) if seconds > bound]
    last = max((at for at, _ in _ingest(after)), default=after.begin) - after.begin
    begins = max(slow, default=0.0)
    return begins if last - begins >= _SETTLED_SECONDS else None


def _ingest(seen: Seen) -> list[tuple[float, float]]:
    return [timed for name, times in seen.times.items() if name not in QUERIES for timed in times]


def _missing(load: Load) -> dict[str, int]:
    """Print and return the acknowledged spans that are missing, by tenant."""
    counted = {tenant: wanted - found_spans(load.server, tenant) for tenant, wanted in load.stored.items()}
    missing = {tenant: lost for tenant, lost in counted.items() if lost > 0}
    console().print(f"{load.stored.total():,} spans acknowledged; missing: {missing or 'none'}")
    return missing


if __name__ == "__main__":
    main()
