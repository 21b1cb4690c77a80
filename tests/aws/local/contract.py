"""Reads the routes and the stream from the template."""

from tests.infra.template import Template

_TEMPLATE = Template.load()

ROUTES = _TEMPLATE.routes()
COMPACT = _TEMPLATE.sources()["compact"]
