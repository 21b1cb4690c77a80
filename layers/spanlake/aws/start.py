"""The start of a function: what can wait until everything is loaded does, or until it is asked for."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def starting() -> Iterator[None]:
    """Load modules and make a handler without passes of garbage collection, which take a tenth of a start's CPU time.

    What was loaded stays, so that later passes leave it out.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def deferred_models() -> Iterator[None]:
    """Have pydantic build the models that are defined meanwhile when each is first used.

    For FastAPI's of the OpenAPI document, which hardly any process of a function is asked for: 30 ms of CPU time. Not
    for models of parameters, whose aliases FastAPI reads when it makes a route. Only the query function has pydantic.
    """
    from pydantic import BaseModel

    BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        del BaseModel.model_config["defer_build"]
