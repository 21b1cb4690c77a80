"""The pages below ``/status``, as Tempo has them: version, endpoints and configuration, in plain text."""

import json
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_SECRET_NAME = re.compile(r"secret|password|token|credential|(^|_)key", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=//)[^/@\s]*@")
_MASK = "<secret>"


def status_pages(version: str, config: "DataclassInstance") -> list[Route]:
    """The routes, of a server of this version with these settings."""

    from spanlake.api.typed_route import TypedRoute  # not in the edge, which has no FastAPI

    async def show_version(_: Request) -> Response:
        """Return the version as Tempo prints it."""
        return PlainTextResponse(_version(version))

    async def show_endpoints(request: Request) -> Response:
        """List the paths, each with its methods."""
        return PlainTextResponse(_endpoints(request.app.routes))

    async def show_config(request: Request) -> Response:
        """Return all settings as YAML, secrets masked."""
        if request.query_params.get("mode"):
            raise HTTPException(400, "mode is not supported: /status/config shows all settings, defaults included")
        return PlainTextResponse(config_page(config))

    return [
        TypedRoute("/status/version", show_version, media_type="text/plain"),
        TypedRoute("/status/endpoints", show_endpoints, media_type="text/plain"),
        TypedRoute("/status/config", show_config, media_type="text/plain"),
    ]


def config_page(config: "DataclassInstance") -> str:
    """The settings as YAML, whatever looks like a secret masked."""
    return "".join(f"{line}\n" for line in _yaml(asdict(config)))


def _version(version: str) -> str:
    """The lines in which Prometheus, Tempo and others of their family tell their version."""
    return (
        f"tempo, version {version} (branch: , revision: )\n"
        "  build user:       \n"
        "  build date:       \n"
        f"  python version:   {platform.python_version()}\n"
        f"  platform:         {platform.system().lower()}/{platform.machine()}\n"
    )


def _endpoints(routes: Iterable[BaseRoute]) -> str:
    """A line for each path: the path and its methods."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, Route):
            methods.setdefault(re.sub(r":\w+}", "}", route.path), set()).update(route.methods or {"POST"})
    width = max(map(len, methods), default=0)
    return "".join(f"{path:{width}}  {', '.join(sorted(methods[path]))}\n" for path in sorted(methods))


def _yaml(settings: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """The lines of a mapping."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from _yaml(value, f"{indent}  ")
        else:
            yield f"{indent}{name}: {_scalar(name, value)}"


def _scalar(name: str, value: Any) -> str:
    if value and _SECRET_NAME.search(name):
        return json.dumps(_MASK)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list | tuple | set | frozenset):
        return json.dumps([_masked(str(item)) for item in value])
    return json.dumps(_masked(str(value)))


def _masked(text: str) -> str:
    return _USER_IN_URL.sub(f"{_MASK}@", text)
