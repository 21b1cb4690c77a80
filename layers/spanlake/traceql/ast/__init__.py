"""The abstract syntax tree of TraceQL: frozen nodes that compare by meaning, not by position."""
