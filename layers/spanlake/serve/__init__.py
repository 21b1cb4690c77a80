"""One process that does everything: embedded storage, all listeners, and an orderly end."""
