"""What clients speak: one module a protocol, bytes in, span table out."""
