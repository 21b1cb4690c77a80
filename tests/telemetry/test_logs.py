"""Logs: one JSON object a line, and prose on a terminal."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from spanlake.telemetry.logs import set_up_logs
from tests.patches import StreamHere


@pytest.fixture(autouse=True)
def restored_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level


def test_log_line_is_a_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    output = StreamHere()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs()
    logging.getLogger("a.library").warning("it has %s", "happened", extra={"tenant": "t"})
    line = json.loads(output.getvalue())
    assert line == {**line, "event": "it has happened", "level": "warning", "logger": "a.library", "tenant": "t"}
    assert line["timestamp"].endswith("Z")


def test_log_line_includes_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    output = StreamHere()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs()
    try:
        raise LookupError("gone")
    except LookupError:
        logging.getLogger("x").exception("failed")
    (line,) = output.getvalue().splitlines()
    assert "LookupError: gone" in json.loads(line)["exception"]


def test_log_on_terminal_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    output = StreamHere(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs()
    logging.getLogger("x").info("listening", extra={"url": "http://here"})
    assert "listening" in output.getvalue()
    assert "http://here" in output.getvalue()
    assert not output.getvalue().startswith("{")


def test_log_omits_events_below_level(monkeypatch: pytest.MonkeyPatch) -> None:
    output = StreamHere()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs()
    logging.getLogger("x").debug("details")
    assert output.getvalue() == ""


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("text", False), ("auto", True)])
def test_log_has_the_form_that_is_set(monkeypatch: pytest.MonkeyPatch, form: str, is_json: bool) -> None:
    output = StreamHere()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs(form=form)
    logging.getLogger("x").info("listening")
    assert output.getvalue().startswith("{") == is_json
    assert "\x1b" not in output.getvalue()


def test_log_on_terminal_has_no_colours_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    output = StreamHere(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", output)
    monkeypatch.setenv("NO_COLOR", "1")
    set_up_logs()
    logging.getLogger("x").info("listening")
    assert "\x1b" not in output.getvalue()


def test_log_has_records_of_the_level_and_above(monkeypatch: pytest.MonkeyPatch) -> None:
    output = StreamHere()
    monkeypatch.setattr(sys, "stderr", output)
    set_up_logs("error")
    logging.getLogger("x").warning("quiet")
    logging.getLogger("x").error("loud")
    assert "quiet" not in output.getvalue()
    assert "loud" in output.getvalue()
