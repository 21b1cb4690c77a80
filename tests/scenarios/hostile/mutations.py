"""Random changes of real bytes and texts, the same for the same seed."""

from collections.abc import Callable, Sequence
from random import Random

LARGEST = 64 << 10
"""Size in bytes that a mutation keeps to."""

_NUMBERS = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 9 + b"\x01",
    b"\x80" * 12,
)
_WORDS = (
    *(b"null", b"true", b"{}", b"[]", b'""', b"-1", b"1e999", b"NaN", b"9" * 40, b"1.5", b'"\\ud800"', b"\xef\xbb\xbf"),
    *(
        b"\r\n",
        b"\0",
        b"%00",
        b"%ff",
        b"\xed\xa0\x80",
        b"../",
        b"' OR 1=1 --",
        b"${jndi:x}",
        b"\x1b[31m",
        b"\xf0\x9f\x92\xa9",
    ),
)


_BRACKETS = ((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"\x0c\0\1", b"\0"), (b"\x0b", b"\x0c"))


def _flip(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    for _flipped in range(random.randint(1, 4)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _delete(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    del data[at : at + random.choice((1, 2, 8, 64, len(data)))]


def _number(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at, number = random.randrange(len(data)), random.choice(_NUMBERS)
    data[at : at + random.choice((0, len(number)))] = number


def _word(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    data[at : at + random.choice((0, 1, 4))] = random.choice(_WORDS)


def _repeat(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    piece = bytes(data[at : at + random.choice((1, 2, 3, 8, 40))])
    data[at:at] = piece * min(random.choice((2, 9, 200, 5000)), LARGEST // len(piece))


def _splice(data: bytearray, random: Random, others: Sequence[bytes]) -> None:
    other = random.choice(others)
    start = random.randrange(len(other) + 1)
    at = random.randrange(len(data))
    data[at : at + random.choice((0, 5, 50))] = other[start : start + random.choice((3, 30, 300))]


def _cut(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    del data[random.randrange(len(data)) :]


def _nest(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    before, after = random.choice(
        ((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"\x0c\0\1", b"\0"), (b"\x0b", b"\x0c"))
    )
    depth = random.choice((2, 30, 300, 5000))
    data[at:at] = before * depth + after * random.choice((0, depth))


_CHANGES: tuple[Callable[[bytearray, Random, Sequence[bytes]], None], ...] = (
    *(_flip, _flip, _delete, _number, _number, _word, _repeat, _splice, _splice, _cut, _nest),
)


def mutated(samples: Sequence[bytes], random: Random) -> bytes:
    """Change one of the samples, once or several times."""
    data = bytearray(random.choice(samples))
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            data += random.choice(_WORDS)
        random.choice(_CHANGES)(data, random, samples)
    return bytes(data[:LARGEST])
