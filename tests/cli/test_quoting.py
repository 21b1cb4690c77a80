"""Queries and statements without quotes, of which the shell makes several words."""

import pytest
from typer.testing import CliRunner

from spanlake.cli.main import app
from spanlake.cli.quoting import unquoted


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("query { status = error }", "spanlake query '{ status = error }'"),
        ("query --since 2h { status = error } --limit 5", "spanlake query --since 2h '{ status = error }' --limit 5"),
        ("query {status = error}", "spanlake query '{status = error}'"),
        ("query { duration }", "spanlake query '{ duration }'"),
        ("tail { name = x }", "spanlake tail '{ name = x }'"),
        ("tags -q { name = x }", "spanlake tags -q '{ name = x }'"),
        ("values service.name --query { name = x }", "spanlake values service.name --query '{ name = x }'"),
        ("query { name = x } >> { name = y }", "spanlake query '{ name = x } >> { name = y }'"),
        ("sql SELECT name FROM spans --json", "spanlake sql 'SELECT name FROM spans' --json"),
        ("sql from spans", "spanlake sql 'from spans'"),
    ],
)
def test_query_without_quotes_is_shown_with_them(arguments: str, command: str) -> None:
    advice = unquoted(arguments.split())
    assert f"put it into quotes: {command}\n" in advice


@pytest.mark.parametrize(
    "arguments",
    [
        ["query", "{ status = error }", "--since", "1h"],
        ["query", '{ name = "{" }', "--limit", "5"],
        ["query", "{ status = error", "--since", "1h"],
        ["query", "{}", "--tenant", "a"],
        ["sql", "SELECT name FROM spans", "--json"],
        ["sql", "-"],
        ["trace", "0af7651916cd43dd8448eb211c80319c"],
        ["serve", "--data", "from", "select"],
        [],
    ],
)
def test_other_arguments_get_no_advice(arguments: list[str]) -> None:
    assert unquoted(arguments) == ""


def test_command_without_quotes_asks_nothing() -> None:
    result = CliRunner().invoke(app, ["query", "{", "status", "=", "error", "}", "--url", "http://127.0.0.1:1"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("spanlake: the shell split the query into 5 words")
