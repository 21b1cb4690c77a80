"""Logs: one JSON object a line, and prose on a terminal."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from spanlake.serve.logs import set_up_logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level


def test_a_line_is_a_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs()
    logging.getLogger("a.library").warning("it has %s", "happened", extra={"tenant": "t"})
    line = json.loads(output.getvalue())
    assert line == {**line, "event": "it has happened", "level": "warning", "logger": "a.library", "tenant": "t"}
    assert line["timestamp"].endswith("Z")


def test_an_exception_is_told_in_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs()
    try:
        raise LookupError("gone")
    except LookupError:
        logging.getLogger("x").exception("failed")
    (line,) = output.getvalue().splitlines()
    assert "LookupError: gone" in json.loads(line)["exception"]


def test_a_terminal_gets_prose(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Terminal()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs()
    logging.getLogger("x").info("listening", extra={"url": "http://here"})
    assert "listening" in output.getvalue()
    assert "http://here" in output.getvalue()
    assert not output.getvalue().startswith("{")


def test_what_is_less_than_the_level_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs()
    logging.getLogger("x").debug("details")
    assert output.getvalue() == ""
