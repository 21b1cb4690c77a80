"""Replaces functions and streams of the standard library for the thread of a test alone."""

import io
import threading
from collections.abc import Callable
from typing import Any

import pytest


def patch_here(patch: pytest.MonkeyPatch, owner: object, name: str, replacement: Callable[..., Any]) -> None:
    """Replace a function for calls of this thread, since servers of other tests may run in threads of this process."""
    original, here = getattr(owner, name), threading.get_ident()

    def chosen(*arguments: Any, **options: Any) -> Any:
        called = replacement if threading.get_ident() == here else original
        return called(*arguments, **options)

    patch.setattr(owner, name, chosen)


class StreamHere(io.StringIO):
    """A stream that keeps text of the thread that made it, and takes that of others without a trace."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self._here, self._is_terminal = threading.get_ident(), is_terminal

    def isatty(self) -> bool:
        """Tell if it looks like a terminal."""
        return self._is_terminal

    def write(self, text: str) -> int:
        """Keep text of its own thread; return its length."""
        return super().write(text) if threading.get_ident() == self._here else len(text)
