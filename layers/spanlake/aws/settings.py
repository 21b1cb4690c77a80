"""Settings of functions from their environment, by the names that ``spanlake serve`` takes too."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from spanlake.settings.model import AthenaSettings, Config, IngestLimits, Origins, QueryLimits, parse_origins
from spanlake.settings.units import MIB, InvalidSetting, parse_age, parse_limit, parse_share

DEFAULT_CLAIM = "tenant"

_RETENTION: timedelta | None = timedelta(days=14)
_MEMORY_MIB = 1024  # of a function that does not say
_RUNTIME_MIB = 448  # what a function takes before the first query, and beside it
# API Gateway gives up after 30 seconds, and an answer has to be rendered and sent.
_QUERY_SECONDS = 25.0
# What a request takes when it is decoded, by its size.
_BODY_SHARE = 16

_TABLE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+", re.ASCII)

T = TypeVar("T")


def settings(environment: Mapping[str, str]) -> Config:
    """The settings of a function; raises InvalidSetting."""
    read = _Reader(environment)
    memory_mib = read.optional("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", int, _MEMORY_MIB)
    return Config(
        objects=read.required("SPANLAKE_OBJECTS"),
        index=read.required("SPANLAKE_INDEX"),
        retention=read.optional("SPANLAKE_RETENTION", parse_age, _RETENTION),
        ingest=_ingest_limits(read, memory_mib),
        query=_query_limits(read, memory_mib),
        athena=_athena(read),
        cors_origins=read.optional("SPANLAKE_CORS_ORIGINS", parse_origins, Origins()),
        garbage_share=read.optional("SPANLAKE_GARBAGE_SHARE", parse_share, Config().garbage_share),
        partial_answers=read.optional("SPANLAKE_PARTIAL_ANSWERS", _is_true, Config().partial_answers),
        keep_replaced=read.optional("SPANLAKE_KEEP_REPLACED", parse_age, None),
    )


def tenant_claim(environment: Mapping[str, str]) -> str:
    """The claim of a JSON Web Token that names the tenant."""
    return environment.get("SPANLAKE_TENANT_CLAIM") or DEFAULT_CLAIM


def tokens_secret(environment: Mapping[str, str]) -> str:
    """The ARN of the secret that holds the tokens; raises InvalidSetting."""
    return _Reader(environment).required("SPANLAKE_TOKENS_SECRET")


def _ingest_limits(read: "_Reader", memory_mib: int) -> IngestLimits:
    body = read.optional("SPANLAKE_MAX_REQUEST_BYTES", parse_limit, memory_mib * MIB // _BODY_SHARE)
    return IngestLimits(body_bytes=body, flight_bytes=2 * body)


def _query_limits(read: "_Reader", memory_mib: int) -> QueryLimits:
    usual = QueryLimits()
    memory = max(memory_mib - _RUNTIME_MIB, memory_mib // 4) * MIB
    return QueryLimits(
        seconds=read.optional("SPANLAKE_QUERY_TIMEOUT", float, _QUERY_SECONDS),
        memory_bytes=read.optional("SPANLAKE_QUERY_MEMORY", parse_limit, memory),
        spans=read.optional("SPANLAKE_QUERY_SPANS", int, usual.spans),
        series=read.optional("SPANLAKE_QUERY_SERIES", int, usual.series),
        points=read.optional("SPANLAKE_QUERY_POINTS", int, usual.points),
        spansets=read.optional("SPANLAKE_QUERY_SPANSETS", int, usual.spansets),
        terms=read.optional("SPANLAKE_QUERY_TERMS", int, usual.terms),
    )


def _athena(read: "_Reader") -> AthenaSettings:
    usual = AthenaSettings()
    return AthenaSettings(
        table=read.optional("SPANLAKE_GLUE_TABLE", _table, usual.table),
        workgroup=read.optional("SPANLAKE_ATHENA_WORKGROUP", str, usual.workgroup),
        above_bytes=read.optional("SPANLAKE_ATHENA_ABOVE", parse_limit, usual.above_bytes),
    )


def _table(text: str) -> str:
    if not _TABLE.fullmatch(text):
        raise InvalidSetting(f"{text!r} does not name a table: write database.table")
    return text


def _is_true(text: str) -> bool:
    if text not in {"true", "false"}:
        raise InvalidSetting(f"{text!r} is neither true nor false")
    return text == "true"


class _Reader:
    """Reads variables, and says which one is wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def required(self, name: str) -> str:
        if not (text := self._environment.get(name, "")):
            raise InvalidSetting(f"{name} is not set")
        return text

    def optional(self, name: str, parse: Callable[[str], T], default: T) -> T:
        if not (text := self._environment.get(name, "")):
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise InvalidSetting(f"{name}: {error}") from None
