"""A visit of the web page in a browser of its own, which notes what the page must not do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request


@dataclass
class Visit:
    """A page, and its errors: exceptions, messages of the console, and requests to other hosts."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def of(
        cls, browser: Browser, url: str, scheme: Literal["dark", "light"] = "light", width: int = 1360
    ) -> Iterator["Visit"]:
        """Opens a page, and asserts at the end that it did nothing wrong."""
        context = browser.new_context(
            viewport={"width": width, "height": 860}, color_scheme=scheme, reduced_motion="reduce"
        )
        visit = cls(context.new_page(), url)
        visit.page.on("console", visit._note_message)
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        visit.page.on("request", visit._note_request)
        yield visit
        cookies = context.cookies()
        context.close()
        assert visit.problems == []
        assert cookies == []

    def go(self, fragment: str) -> Page:
        """Opens the page with a fragment."""
        self.page.goto(f"{self.url}/{fragment}")
        return self.page

    def _note_message(self, message: ConsoleMessage) -> None:
        is_answer = message.text.startswith("Failed to load resource: the server responded with a status of 4")
        if message.type in {"error", "warning"} and not is_answer:
            self.problems.append(message.text)

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != urlsplit(self.url).netloc:
            self.problems.append(f"asks another host: {request.url}")
