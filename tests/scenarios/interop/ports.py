"""The ports of a server in programs that are written for the usual ones."""

import re

_PORT = re.compile(r"(?<=localhost:)\d+|(?<=[pP]ort[:=] )\d+|(?<=_port=)\d+|(?<=_port\": )\d+")


def moved(text: str, offset: int) -> str:
    """The text with every port moved."""
    return _PORT.sub(lambda port: str(int(port[0]) + offset), text)
