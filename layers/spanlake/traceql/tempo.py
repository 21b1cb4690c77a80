"""Where Tempo keeps attributes that have a column of their own: it shows in some of its answers.

Tempo 3.1 gives these attributes dedicated columns unless told otherwise (``DefaultDedicatedColumns`` in its
``tempodb/backend``), for values of the type named; values of other types lie in its generic list.
"""

from spanlake.spans.columns import Scope, ValueType

DEDICATED: dict[tuple[Scope, str], ValueType] = {
    (Scope.RESOURCE, "k8s.cluster.name"): ValueType.STRING,
    (Scope.RESOURCE, "k8s.namespace.name"): ValueType.STRING,
    (Scope.RESOURCE, "k8s.pod.name"): ValueType.STRING,
    (Scope.RESOURCE, "k8s.container.name"): ValueType.STRING,
    (Scope.SPAN, "http.request.method"): ValueType.STRING,
    (Scope.SPAN, "http.response.status_code"): ValueType.INT,
    (Scope.SPAN, "url.path"): ValueType.STRING,
    (Scope.SPAN, "url.route"): ValueType.STRING,
    (Scope.SPAN, "server.address"): ValueType.STRING,
    (Scope.SPAN, "server.port"): ValueType.INT,
    (Scope.SPAN, "http.method"): ValueType.STRING,
    (Scope.SPAN, "http.url"): ValueType.STRING,
    (Scope.SPAN, "http.route"): ValueType.STRING,
    (Scope.SPAN, "http.status_code"): ValueType.INT,
}
WELL_KNOWN = frozenset({(Scope.RESOURCE.value, "service.name")})  # in a column of its own whatever the configuration


def is_dedicated(scope: Scope, key: str) -> bool:
    """Whether Tempo keeps an attribute out of its generic list."""
    return (scope, key) in DEDICATED or (scope, key) in WELL_KNOWN
