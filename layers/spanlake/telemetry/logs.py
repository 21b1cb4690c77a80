"""Structured logs on standard error: text on a terminal, JSON everywhere else."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor


def set_up_logs(level: int = logging.INFO, **everywhere: object) -> None:
    """Send the records of all loggers, including libraries', to standard error, with these fields in each."""

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
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers()],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # uvicorn's messages on starting and stopping repeat ours.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def _renderers() -> list[Processor]:
    if sys.stderr.isatty():
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
