"""Structured logs on standard error: text on a terminal, JSON everywhere else."""

import logging
import os
import sys

import structlog
from structlog.typing import EventDict, Processor


def set_up_logs(level: str = "info", form: str = "auto", **everywhere: object) -> None:
    """Send the records of all loggers, including libraries', to standard error, with these fields in each.

    ``form`` is text or json; auto is text on a terminal.
    """

    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {**event, **everywhere}

    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(form)],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # uvicorn's messages on starting and stopping repeat ours.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def is_text(form: str) -> bool:
    """Return True where logs of this form are text, for a person to read."""
    return form == "text" or (form == "auto" and sys.stderr.isatty())


def _renderers(form: str) -> list[Processor]:
    if is_text(form):
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
