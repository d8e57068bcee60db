"""A slice of the fuzzing, seeded; Hypothesis on structure; and each finding, that it may not come again."""

from __future__ import annotations

import logging
import random
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.memory import blobs, points
from satchel.memory.codec import decode, unpack
from satchel.memory.errors import DamagedEntry
from satchel.memory.normalise import MOST
from satchel.memory.shapes import KINDS
from tests.fuzz import targets
from tests.fuzz.targets import KEPT, TARGETS, Target
from tests.fuzz.watch import judge, watching


@pytest.fixture
def watched() -> Iterator[None]:
    logging.disable()  # LangGraph's serializer warns of each type that it does not make
    with watching():
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_strange_bytes_are_read_or_refused_in_time_and_nothing_runs(target: Target) -> None:
    dice = random.Random(target.name)
    for _ in range(target.cases):
        case = target.make(dice)
        assert judge(target, case) is None, repr(case)


LEAF = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary()
VALUE = st.recursive(LEAF, lambda v: st.lists(v, max_size=5) | st.dictionaries(st.text() | LEAF, v, max_size=4))


@given(st.one_of(VALUE, st.tuples(st.text(), st.integers(0, len(KINDS)), VALUE, VALUE, VALUE)), st.sampled_from([0, 2]))
def test_sound_msgpack_of_any_shape_is_read_or_refused(value: Any, form: int) -> None:
    body = msgpack.packb(value)
    data = bytes(head := (0xC1, 0x10 | form)) + zlib.crc32(body, zlib.crc32(bytes(head))).to_bytes(4, "big") + body
    for target in TARGETS[:3]:
        with suppress(DamagedEntry):
            target.read(data)


def enveloped(body: bytes, form: int = 0x11) -> bytes:
    head = bytes((0xC1, form))
    body = zlib.compress(body, 1)
    return head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xdd\x00\x1e\x84\x80" * 500, "exceeds max_array_len"),
        (b"\x9f" + (b"\xdd" + struct.pack(">I", 1 << 20) + b"\x90" * (1 << 20)) * 15, "too many values"),
        (bytes(65 << 20), "not one compressed payload within the limit"),
    ],
    ids=["arrays that say they are long", "millions of empty lists", "65 MiB of nothing"],
)
@pytest.mark.usefixtures("watched")
def test_a_bomb_does_not_get_the_memory_that_it_asks_for(body: bytes, said: str) -> None:
    with pytest.raises(DamagedEntry, match=said):
        decode(enveloped(body))


def test_a_value_of_as_many_parts_as_are_ever_kept_is_read() -> None:
    value = [[0] * 1_000] * (MOST // 1_001)
    body = msgpack.packb(value)
    assert len(body) > MOST
    assert unpack(enveloped(body, 0x13)) == value


@pytest.mark.parametrize("kind", [b"v", b"w"])
@pytest.mark.usefixtures("watched")
def test_a_list_or_a_count_that_says_it_has_billions_of_items_is_refused_at_once(kind: bytes) -> None:
    """With a right checksum, as somebody who may write to the store can make it."""
    lie = blobs.seal(bytes((points.LIST,)) + points.pack_segments(((b"list00", 0xFFFFFFFF),)))
    names = [name for name, data in KEPT.items() if name[:1] == kind and (kind == b"v" or data.isdigit())]
    for name in names:
        case = {**KEPT, name: lie if kind == b"v" else b"%d" % (1 << 60)}
        assert judge(next(t for t in TARGETS if t.name == "checkpoint"), case) is None
        with pytest.raises(DamagedEntry, match="'t' is damaged, missing or not ours"):
            targets.checkpoint(case)
    assert names


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (lambda _: eval("1"), "did compile"),  # noqa: S307 - it is to be told
        (lambda _: Path("/dev/null").read_bytes(), "did open /dev/null"),
        (lambda _: dict[str, str]()["x"], "raised KeyError"),
        (lambda _: sum(n for n in range(1 << 40)), "took more than 1 s"),
        (lambda _: bytes(1 << 40), "raised MemoryError"),
    ],
    ids=["runs", "opens", "raises", "hangs", "swells"],
)
def test_the_watch_tells_what_a_bad_reader_does(read: Any, fault: str) -> None:
    assert str(judge(Target("bad", random.Random.random, read), b"")).startswith(fault)
