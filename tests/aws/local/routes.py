"""Which route of an HTTP API a request takes.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_VARIABLE = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True)
class Route:
    """A method and a path, and the function behind them."""

    key: str
    """As in ``GET /api/traces/{id}``; ``{name+}``, at the end, takes slashes too; the method may be ``ANY``."""
    function: str
    authorized: bool = True
    """True where the route has the authorizer."""

    @property
    def method(self) -> str:
        """In capitals."""
        return self.key.partition(" ")[0]

    @property
    def path(self) -> str:
        """With variables in braces."""
        return self.key.partition(" ")[2]

    @cached_property
    def pattern(self) -> "re.Pattern[str]":
        """Regular expression of the route's paths."""
        parts = _VARIABLE.split(self.path)
        fixed, names, greedy = parts[::3], parts[1::3], parts[2::3]
        variables = [f"(?P<{name}>{'.+' if plus else '[^/]+'})" for name, plus in zip(names, greedy, strict=True)]
        return re.compile("".join(a + b for a, b in zip(map(re.escape, fixed), [*variables, ""], strict=True)))

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """Sorts routes that fit the same request, the best first: greedy ones last, then those with variables."""
        return "+}" in self.path, self.path.count("{"), self.method == "ANY"


@dataclass(frozen=True)
class Match:
    """A route that fits a request."""

    route: Route
    parameters: Mapping[str, str]


def match(routes: tuple[Route, ...], method: str, path: str) -> Match | None:
    """The route that a request takes, by its path as it is decoded; None when there is none."""
    for route in sorted(routes, key=lambda route: route.rank):
        found = route.pattern.fullmatch(path)
        if found and route.method in {method, "ANY"}:
            return Match(route, found.groupdict())
    return None
