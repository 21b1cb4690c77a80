"""Decoders of protobuf, and what they keep."""

import gc
import weakref

from spanlake.spans.otlp.protobuf import Decoder


def test_decoder_keeps_the_classes_of_its_messages() -> None:
    decoder = Decoder("tests.kept", {"A": [(1, "b", "repeated B")], "B": [(1, "text", "string")]})
    looked_up = weakref.ref(decoder.message("B"))
    gc.collect()
    assert looked_up() is decoder.message("B")
