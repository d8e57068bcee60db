"""Makes strangers' bytes by the million: valid ones with bits flipped, cut, spliced, lengths that lie, and bombs."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import cast

import msgpack

Mutation = Callable[[random.Random, bytes, bytes], bytes]
"""From dice, some valid bytes, and others of the same kind."""

HEADS = [0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF]
"""First bytes of msgpack values with a length: binary, extension, text, array, map (msgpack specification)."""

LENGTHS = [0, 1, 0x7F, 0xFF, 0xFFFF, 1_999_999, 2_000_016, 0x7FFFFFFF, 0xFFFFFFFF]
NESTED = [
    b"\x91",
    b"\x92\xc0",
    b"\x81\xa0",
    b"\x81\x91",
    b"\xdc\xff\xff",
    b"\xdd\x00\x1e\x84\x80",
    b"\xdf\x00\x1e\x84\x80",
]
BOMB = zlib.compress(b"\x90" * (1 << 20), 9)
"""A kilobyte that becomes a million empty lists."""


def flip(dice: random.Random, data: bytes, _: bytes) -> bytes:
    out = bytearray(data)
    for _n in range(dice.choice((1, 1, 1, 2, 8))):
        if out:
            out[dice.randrange(len(out))] ^= 1 << dice.randrange(8)
    return bytes(out)


def cut(dice: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
    return dice.choice((data[:start], data[end:], data[:start] + data[end:]))


def splice(dice: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]


def repeat(dice: random.Random, data: bytes, _: bytes) -> bytes:
    start = dice.randrange(len(data) + 1)
    part = data[start : start + dice.randrange(1, 16)]
    return data[:start] + part * dice.randrange(2, 40) + data[start:]


def noise(dice: random.Random, data: bytes, _: bytes) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.randbytes(dice.randrange(1, 24)) + data[at + dice.randrange(8) :]


def rubbish(dice: random.Random, data: bytes, other: bytes) -> bytes:  # noqa: ARG001 - as all mutations
    return dice.randbytes(dice.randrange(200))


def length(dice: random.Random, data: bytes, _: bytes) -> bytes:
    at = dice.randrange(len(data) + 1)
    form = dice.choice((">B", ">H", ">I"))
    lie = struct.pack(form, dice.choice(LENGTHS) & ((1 << 8 * struct.calcsize(form)) - 1))
    head = bytes((dice.choice(HEADS),)) if dice.random() < 0.7 else b""
    return data[:at] + head + lie + data[at + len(head) + len(lie) :]


def nest(dice: random.Random, data: bytes, _: bytes) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(NESTED) * dice.choice((1, 5, 99, 101, 103, 511, 512, 1_100)) + data[at:]


def extension(dice: random.Random, data: bytes, other: bytes) -> bytes:
    at = dice.randrange(len(data) + 1)
    inside = other[: dice.randrange(24)]
    return data[:at] + cast("bytes", msgpack.packb(msgpack.ExtType(dice.randrange(128), inside))) + data[at:]


def typed(dice: random.Random, data: bytes, _: bytes) -> bytes:
    """Sound msgpack of the wrong types; sometimes the outline is right and a field is not."""
    try:
        value = msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, TypeError):
        value = None
    if not isinstance(value, list) or not value or dice.random() < 0.3:
        value = _value(dice, 3)
    else:
        value[dice.randrange(len(value))] = _value(dice, 2)
    return cast("bytes", msgpack.packb(value))


def _value(dice: random.Random, depth: int) -> object:
    some = (
        None,
        True,
        0,
        -1,
        1 << 63,
        (1 << 64) - 1,
        0.5,
        float("nan"),
        float("inf"),
        "",
        "a",
        "res:abcd",
        b"",
        b"\xff",
    )
    roll = dice.random()
    if depth == 0 or roll < 0.6:
        return dice.choice(some)
    if roll < 0.8:
        return [_value(dice, depth - 1) for _ in range(dice.randrange(5))]
    return {dice.choice(("", "a", 1, None, b"b")): _value(dice, depth - 1) for _ in range(dice.randrange(4))}


MUTATIONS: Sequence[Mutation] = (flip, cut, splice, repeat, noise, rubbish, length, nest, extension, typed)


def mutated(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Bytes made from some of the seeds by one mutation, or now and then by several."""
    data, other = dice.choice(seeds), dice.choice(seeds)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        data = dice.choice(MUTATIONS)(dice, data, other)
    return data
