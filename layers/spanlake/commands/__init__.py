"""The commands that ask a server of the Tempo API, spanlake's or any other.

``app`` has their names and options; ``query`` and ``trace`` are what they do: ``ask`` over HTTP, ``read`` the answer,
``show`` it.
"""

from spanlake.commands.app import register

__all__ = ["register"]
