"""Prints docs/settings.md: ``make docs-settings``."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from spanlake.settings.model import ClientSettings, Config, EdgeConfig, FunctionSettings
from spanlake.settings.setting import Program, Setting, settings_of

_HEAD = """\
# Settings

Made by `make docs-settings` from `layers/spanlake/settings`, where each setting is declared once.

An option of the command line has an environment variable: `--query-timeout` is `SPANLAKE_QUERY_TIMEOUT`. The option
wins. An empty variable is not set. A value that is not allowed ends the program with the name of the setting, the value
and what is allowed.

- SIZE is a number of bytes with or without a unit: `50GB` (powers of 1000), `1.5GiB` (powers of 1024).
- AGE is a whole number and `s`, `m`, `h`, `d` or `w`: `14d`, `36h`.
- SHARE is a number from 0 to 1, or a percentage: `0.05`, `5%`.
"""

_TAIL = """\
## From other programs

On S3 and DynamoDB, which take `pip install 'spanlake[serve,aws]'`, credentials, region and endpoints come from where
boto3 looks for them: `AWS_PROFILE`, `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_S3` and others. The functions log, count
and trace with Powertools for AWS Lambda: `POWERTOOLS_LOG_LEVEL`, `POWERTOOLS_METRICS_NAMESPACE`,
`POWERTOOLS_SERVICE_NAME` and `POWERTOOLS_TRACE_DISABLED` are Powertools'.

With `make run`, options go into `ARGS`: `make run ARGS="--port-offset 100 --retention 14d"`.
"""

_FUNCTIONS = (Program.AUTHORIZE, Program.INGEST, Program.QUERY, Program.COMPACT, Program.EXPIRE)


def page() -> str:
    """Returns the page, ending with a newline."""
    return "\n".join(_parts()) + "\n"


def _parts() -> Iterator[str]:
    yield _HEAD
    yield "## `spanlake serve`\n"
    yield from _options(Config, Program.SERVE)
    yield "\n## `spanlake edge`\n"
    yield from _options(EdgeConfig, Program.EDGE)
    yield "\n## Other commands\n"
    yield "`spanlake COMMAND --help` shows the options that a command has of its own.\n"
    yield from _commands()
    yield "\n## Functions\n"
    yield "The templates set these variables; those with a parameter can be chosen when deploying.\n"
    yield from _variables()
    yield ""
    yield _TAIL.rstrip()


def _options(area: type[Any], program: Program) -> Iterator[str]:
    yield from _table(
        ("option", "variable", "default", ""),
        (
            (_option(each), _code(each.variable), _default(each, program), _about(each))
            for each in settings_of(area, program)
        ),
    )


def _commands() -> Iterator[str]:
    shared = [each for area in (ClientSettings, Config) for each in settings_of(area, Program.COMMANDS)]
    yield from _table(
        ("option", "variable", "default", ""),
        ((_option(each), _code(each.variable), _default(each, Program.COMMANDS), _about(each)) for each in shared),
    )


def _variables() -> Iterator[str]:
    areas: tuple[type[Any], ...] = (Config, FunctionSettings)
    functions = Program.FUNCTIONS | Program.AUTHORIZE
    declared = [each for area in areas for each in settings_of(area, functions)]
    yield from _table(
        ("variable", "value", "default", "functions", "parameter", ""),
        (
            (
                _code(each.variable),
                _cell(each.kind.metavar),
                "required" if each.required & functions else _default(each, Program.FUNCTIONS),
                ", ".join(_names(each.programs)),
                _code(each.parameter),
                _about(each),
            )
            for each in declared
        ),
    )


def _names(programs: Program) -> Iterator[str]:
    return (str(each.name).lower() for each in _FUNCTIONS if each & programs)


def _option(declared: Setting) -> str:
    if declared.default in {"true", "false"}:
        return f"`{declared.option}`, `--no-{declared.name}`"
    return _cell(f"`{declared.option} {declared.kind.metavar}`")


def _default(declared: Setting, program: Program) -> str:
    default = declared.default_of(program)
    return _code(default) if isinstance(default, str) else default.about


def _about(declared: Setting) -> str:
    return _cell(f"{declared.help} {declared.details}".strip())


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(head)
    yield "|" + "---|" * len(head)
    yield from map(_row, rows)


def _row(cells: tuple[str, ...]) -> str:
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


if __name__ == "__main__":
    sys.stdout.write(page())
