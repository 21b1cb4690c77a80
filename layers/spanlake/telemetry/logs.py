"""Structured logs on standard error: text on a terminal, JSON everywhere else."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

_STANDARD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})


def set_up_logs(level: str = "info", form: str = "auto", **everywhere: object) -> None:
    """Send the records of all loggers, including libraries', to standard error, with these fields in each.

    ``form`` is text or json; auto is text on a terminal.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_text(everywhere) if is_text(form) else JsonLines(everywhere))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # uvicorn's messages on starting and stopping repeat ours.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def is_text(form: str) -> bool:
    """Return True where logs of this form are text, for a person to read."""
    return form == "text" or (form == "auto" and sys.stderr.isatty())


class JsonLines(logging.Formatter):
    """A JSON object for each record. structlog's takes 60 ms of a server's start, as it imports rich."""

    def __init__(self, everywhere: Mapping[str, object]) -> None:
        super().__init__()
        self._everywhere = everywhere

    def format(self, record: logging.LogRecord) -> str:
        """Write a record with its extra fields."""
        line: dict[str, object] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            **self._everywhere,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=repr)


def _text(everywhere: Mapping[str, object]) -> logging.Formatter:
    import structlog
    from structlog.typing import EventDict, Processor

    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {**event, **everywhere}

    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add,
    ]
    has_colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    renderer = structlog.dev.ConsoleRenderer(colors=has_colors)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
