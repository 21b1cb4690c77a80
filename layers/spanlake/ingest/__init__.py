"""The way in: requests are admitted, grouped, decoded, checked, stored, and only then acknowledged."""
