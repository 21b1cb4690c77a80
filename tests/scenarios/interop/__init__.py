"""Real clients of every protocol, as docs/send-traces.md tells people to use them, against a real server."""
