"""``spanlake token`` and ``spanlake limits``."""

from pathlib import Path

import pytest

from spanlake.auth.access import Access, Role
from spanlake.auth.tokens import Tokens
from spanlake.store.open import open_index
from spanlake.store.tenant_limits import IndexedLimits
from tests.cli.conftest import Run
from tests.cloud import Cloud


def test_token_is_printed_with_its_line(run: Run) -> None:
    made = run("token", "--tenant", "shop", "--tenant", "bank", "--role", "read", "--name", "grafana")
    token = made.stderr.split()[-1]
    assert token not in made.stdout
    access = Tokens.parse(made.stdout).access([f"Bearer {token}"])
    assert access == Access(("shop", "bank"), frozenset({Role.READ}), "grafana")
    assert run("token", "--tenant", "shop", "--role", "read").stderr.split()[-1] != token


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("--tenant", "a b", "--role", "read"), "unsupported character"),
        (("--tenant", "a", "--role", "root"), "write, read, delete, admin"),
        (("--tenant", "a", "--role", "read", "--name", "a b"), "one word"),
    ],
)
def test_token_refuses_what_no_line_can_have(run: Run, arguments: tuple[str, ...], wrong: str) -> None:
    refused = run("token", *arguments)
    assert refused.exit_code == 2
    assert wrong in " ".join(refused.stderr.split())


def test_limits_are_written_for_all_processes_of_an_index(run: Run, cloud: Cloud, tmp_path: Path) -> None:
    file, index = tmp_path / "limits.toml", f"dynamodb://{cloud.table()}"
    file.write_text("[tenants.shop]\nrequest-spans = 5\n")
    written = run("limits", str(file), "--index", index)
    assert (written.exit_code, "1 tenants" in written.stdout) == (0, True)
    opened = open_index(index, tmp_path, None)
    limits = IndexedLimits(opened)
    limits.refresh()
    assert limits.current.of("shop").request_spans == 5
    opened.close()


@pytest.mark.parametrize(("text", "wrong"), [("[x]", "not a table"), (None, "cannot be read")])
def test_limits_refuse_an_invalid_file(run: Run, tmp_path: Path, text: str | None, wrong: str) -> None:
    file = tmp_path / "limits.toml"
    if text is not None:
        file.write_text(text)
    refused = run("limits", str(file), "--index", "dynamodb://x")
    assert refused.exit_code == 2
    assert wrong in " ".join(refused.stderr.split())
    assert "no DynamoDB table" in " ".join(run("limits", str(file)).stderr.split())
