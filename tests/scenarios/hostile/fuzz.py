"""Sends random changes of real input to every target: nothing breaks, takes a second, or keeps memory.

``python -m tests.scenarios.hostile.fuzz --seed 1 --inputs 100000 [--target NAME …] [--coverage]``. With ``--coverage``
atheris chooses the inputs of one target by the code that they reach, for ``--inputs`` runs.
"""

import argparse
import gc
import logging
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.scenarios.hostile import sockets
from tests.scenarios.hostile.mutations import LARGEST, mutated
from tests.scenarios.hostile.targets import Fuzzed, targets

SLOW_SECONDS = 1.0
MOST_GROWTH_BYTES = 160 << 20


@dataclass
class Report:
    """Outcome of the inputs of a target."""

    target: str
    inputs: int = 0
    slowest: float = 0.0
    """Seconds of processor time."""
    grown: int = 0
    """Bytes."""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = f"{self.target:20} {self.inputs:8} inputs, slowest {self.slowest:6.3f} s, +{self.grown >> 20} MB"
        return "\n    ".join([told, *self.faults])


def fuzz(name: str, fuzzed: Fuzzed, *, seed: int, inputs: int) -> Report:
    """Run a target on so many inputs."""
    random, report = Random(f"{seed} {name}"), Report(name)
    for sample in fuzzed.samples:
        _run(fuzzed, sample, report)
    before = fuzzed.resident()
    for _ in range(inputs):
        _run(fuzzed, mutated(fuzzed.samples, random), report)
        if len(report.faults) > 4:
            break
    gc.collect()
    report.grown = max(fuzzed.resident() - before, 0)
    if report.grown > MOST_GROWTH_BYTES:
        report.faults.append(f"keeps {report.grown >> 20} MB")
    return report


def _run(fuzzed: Fuzzed, body: bytes, report: Report) -> None:
    began = fuzzed.seconds()
    try:
        fuzzed.run(body)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        report.faults.append(f"{type(error).__name__}: {str(error)[:300]}, input {body[:2000].hex()}")
    seconds = fuzzed.seconds() - began
    report.inputs += 1
    report.slowest = max(report.slowest, seconds)
    if seconds > SLOW_SECONDS:
        report.faults.append(f"{seconds:.1f} s, input of {len(body)} bytes {body[:2000].hex()}")


def guided(name: str, fuzzed: Fuzzed, *, seed: int, inputs: int, folder: Path) -> None:
    """Run a target on inputs that atheris chooses; ends the process."""
    import atheris  # type: ignore[import-untyped]

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, sample in enumerate(fuzzed.samples):
        (corpus / str(number)).write_bytes(sample)
    options = [f"-seed={seed}", f"-runs={inputs}", f"-max_len={LARGEST}", "-timeout=5", "-rss_limit_mb=3000"]
    atheris.Setup([name, *options, str(corpus)], fuzzed.run)
    atheris.Fuzz()


@contextmanager
def every_target(names: Collection[str] | None) -> Iterator[Mapping[str, Fuzzed]]:
    """Yield the targets of these names, or all; a server runs where its ports are among them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = dict(stack.enter_context(targets(folder / "data")))
        if not names or any(name.startswith("port ") for name in names):
            found |= stack.enter_context(sockets.running(folder / "served"))
        yield {name: fuzzed for name, fuzzed in found.items() if not names or name in names}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a report for each target; returns 1 when there are faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=2000, help="for each target")
    parser.add_argument("--target", action="append", help="only targets of this name")
    parser.add_argument("--coverage", action="store_true", help="let atheris choose the inputs of one target")
    args = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    faults = total = 0
    with every_target(args.target) as every, tempfile.TemporaryDirectory() as folder:
        for name, fuzzed in every.items():
            if args.coverage:
                guided(name, fuzzed, seed=args.seed, inputs=args.inputs, folder=Path(folder))
            report = fuzz(name, fuzzed, seed=args.seed, inputs=args.inputs)
            print(report, flush=True)
            faults, total = faults + len(report.faults), total + report.inputs
    print(f"{total} inputs, {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
