"""Commands that export, import, back up and restore spans."""
