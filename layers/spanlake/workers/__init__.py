"""``spanlake edge``: the gRPC and UDP listeners alone, in worker processes that share their ports.

The supervisor (``supervisor`` and the modules that it uses) starts the workers (``worker``), replaces those that end,
answers probes for all of them, and stops them. It does not import the workers' modules. Workers are not forked from a
process with threads: each is a program of its own.
"""
