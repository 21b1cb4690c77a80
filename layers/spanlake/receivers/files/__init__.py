"""Files of spans: detection of their format and conversion to requests."""
