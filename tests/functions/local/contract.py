"""What the template says of routes and of the stream."""

from tests.infra.template import Template

_TEMPLATE = Template.load()

ROUTES = _TEMPLATE.routes()
COMPACT = _TEMPLATE.sources()["compact"]
