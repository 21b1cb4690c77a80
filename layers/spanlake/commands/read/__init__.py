"""Answers of the Tempo API as small frozen classes; raise MalformedAnswer for what is not one."""
