"""Settings of every role: names, types, units and defaults."""
