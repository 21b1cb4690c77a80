"""``spanlake token``: a new token, and its line for a file of tokens."""

from collections.abc import Sequence

import typer

from spanlake.auth.access import Role
from spanlake.auth.tokens import InvalidTokens, line_of, new_token
from spanlake.cli.errors import InvalidOption


def run(tenants: Sequence[str], roles: Sequence[str], name: str) -> None:
    """Print a new token and its line; raises InvalidOption."""
    token = new_token()
    try:
        line = line_of(token, tenants, [Role(role) for role in roles], name)
    except InvalidTokens as error:
        raise InvalidOption(str(error)) from None
    except ValueError:
        raise InvalidOption(f"--role is one of {', '.join(Role)}") from None
    typer.echo(f"token, shown only now: {token}", err=True)
    typer.echo(line)
