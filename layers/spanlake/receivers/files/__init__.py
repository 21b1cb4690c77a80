"""Files of spans in other projects' formats: recognition, and conversion to requests."""
