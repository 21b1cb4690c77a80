"""Runs the programs of docs/send-traces.md in the clients' own runtimes, with their libraries as locked here."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from tests.toolchain import BRIEF_JVM, installed, missing, skip_where_left_out

Run = Callable[[str, Path], str]
"""Runs a program in a folder of its own, and gives what it printed."""

_HERE = Path(__file__).parent
_SCRIPT = _HERE.parents[2] / "scripts" / "interop" / "clients.sh"
_CHROMIUM = _HERE.parents[2] / "scripts" / "interop" / "chromium.sh"
ORIGIN = "http://localhost:18080"
"""Of the pages that send."""
_HEADLESS = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom")
_LONGEST_BUILD = 900  # seconds
_LONGEST_RUN = 120


@cache
def prepared(what: str) -> Path:
    """Where the libraries or programs of that name are; takes a while the first time.

    Skips the test on a machine that cannot have them, unless CI is true: then it fails.
    """
    (folder,) = installed(_SCRIPT, "clients of this language", what)
    return Path(folder)


def python(locked: str) -> Run:
    """Runs Python with the packages of one of the files below ``python``."""

    def run(program: str, folder: Path) -> str:
        file = folder / "kitchen.py"
        file.write_text(program)
        return _run([str(prepared(f"python/{locked}") / "bin" / "python"), str(file)])

    return run


def go(program: str, folder: Path) -> str:
    """Builds and runs Go; what it imports stays built in Go's own cache."""
    skip_where_left_out("clients of this language")
    if not shutil.which("go", path=_PATH):
        missing("no clients of this language: go is missing", is_tool=True)
    for name in ("go.mod", "go.sum"):
        shutil.copy(_HERE / "go" / name, folder)
    (folder / "main.go").write_text(program)
    build = [
        "go",
        "build",
        "-mod=readonly",
        "-ldflags=-s -w",
        "-o",
        "kitchen",
        ".",
    ]  # no symbols: linked in half the time
    _run(build, folder, timeout=_LONGEST_BUILD)
    return _run([str(folder / "kitchen")])


def node(program: str, folder: Path) -> str:
    """Runs JavaScript in Node.js."""
    file = folder / "kitchen.js"
    file.write_text(program)
    return _run(["node", str(file)], NODE_PATH=str(prepared("node") / "node_modules"))


def java(program: str, folder: Path) -> str:
    """Runs a Java source file."""
    file = folder / "Kitchen.java"
    file.write_text(program)
    return _run(["java", *BRIEF_JVM, "-cp", f"{prepared('java')}/*", str(file)])


def browser(program: str, folder: Path) -> str:
    """Bundles JavaScript and runs it in a page of Chromium, until nothing is under way any more."""
    modules = str(prepared("node") / "node_modules")
    (program_of,) = installed(_CHROMIUM, "Chromium")
    (folder / "page.js").write_text(program)
    bundle = ["page.js", "--bundle", "--outfile=bundle.js", "--log-level=error"]
    _run([f"{modules}/.bin/esbuild", *bundle], folder, NODE_PATH=modules)
    (folder / "index.html").write_text('<!doctype html><title>page</title><script src="bundle.js"></script>')
    with _serving(folder):
        return _run([program_of, *_HEADLESS, f"--user-data-dir={folder / 'profile'}", f"{ORIGIN}/index.html"])


@contextmanager
def _serving(folder: Path) -> Iterator[None]:
    """Serve a folder's files at ORIGIN."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", urlsplit(ORIGIN).port or 80), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


_PATH = f"{os.environ['PATH']}:/usr/local/go/bin"  # where Go's own archive is unpacked to


def _run(command: list[str], folder: Path | None = None, timeout: int = _LONGEST_RUN, **environment: str) -> str:
    """Run to a good end, and give what it printed; or raise AssertionError with that."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": _PATH} | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, f"{command}:\n{printed}"
    return printed
