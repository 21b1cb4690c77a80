"""``spanlake edge``: the gRPC and UDP listeners alone, in worker processes that share their ports.

The supervisor (``supervisor``, and what it stands on) starts the workers (``worker``), replaces those that end, answers
probes for all of them and ends them. It loads nothing of what they do, and they were never forked from anything that
has threads: each is a program of its own.
"""
