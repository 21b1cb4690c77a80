"""The command ``demo``: a shop of services with traces to look at, and an incident to find in them."""
