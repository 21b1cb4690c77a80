"""Tests the start of a function."""

import gc

from pydantic import BaseModel

from spanlake.aws.start import deferred_models, starting


def test_garbage_is_collected_after_the_start() -> None:
    with starting():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_models_that_are_defined_meanwhile_are_built_when_they_are_used() -> None:
    with deferred_models():

        class Deferred(BaseModel):
            count: int

    class Usual(BaseModel):
        count: int

    assert (Deferred.__pydantic_complete__, Usual.__pydantic_complete__) == (False, True)
    assert Deferred.model_validate({"count": "1"}).count == 1
    assert Deferred.__pydantic_complete__
