"""Commands that query a server of the Tempo API, spanlake's or any other.

``app`` has their names and options. ``query`` and ``trace`` are the commands: they ``ask`` over HTTP, ``read`` the
answer, and ``show`` it.
"""

from spanlake.commands.app import register

__all__ = ["register"]
