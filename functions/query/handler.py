"""Answers the Tempo API."""

from spanlake.aws.start import deferred_models, starting

with starting():
    with deferred_models():
        import fastapi.routing  # noqa: F401, with it the models of the OpenAPI document
    from spanlake.aws import query

    handler = query.handler()
