"""``/``, the web page, and its files below ``/assets``.

The files lie in the folder ``static``, which ``make web`` builds from the sources in ``web``. They hold no data: what
the page shows it asks the API for, with the token of whoever reads it.
"""

from functools import cache
from hashlib import sha256
from importlib.resources import files

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {"js": "text/javascript", "css": "text/css", "html": "text/html"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FOR_EVER = "public, max-age=31536000, immutable"  # their names are made from what is in them
_ASK = "no-cache"  # the page names files of this build, so that each use asks whether it is still the same


def page_routes() -> list[Route]:
    """Return the routes of the page and of its files."""
    return [Route("/", _page), Route("/assets/{asset}", _asset)]


async def _page(request: Request) -> Response:
    return await _answer(request, "index.html", _ASK)


async def _asset(request: Request) -> Response:
    name: str = request.path_params["asset"]
    if name not in _assets():
        raise HTTPException(404)
    return await _answer(request, f"assets/{name}", _FOR_EVER)


async def _answer(request: Request, name: str, caching: str) -> Response:
    content, tag = await run_in_threadpool(_file, name)
    headers = _HEADERS | {"ETag": tag, "Cache-Control": caching}
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)


def _tags(header: str) -> set[str]:
    """Return the tags of If-None-Match; a proxy that compresses makes weak ones of them."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


@cache
def _assets() -> frozenset[str]:
    folder = files("spanlake.api") / "static" / "assets"
    return frozenset(file.name for file in folder.iterdir())


@cache
def _file(name: str) -> tuple[bytes, str]:
    """Return a file of the page and its entity tag."""
    content = (files("spanlake.api") / "static" / name).read_bytes()
    return content, f'"{sha256(content).hexdigest()[:32]}"'
