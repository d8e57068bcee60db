"""The codec: stored bytes of version 1 stay readable, what is not ours is refused, any value can be stored."""

from __future__ import annotations

import enum
import subprocess
import sys
import zlib
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import msgpack
import pytest
from pydantic import BaseModel

from satchel.memory import codec
from satchel.memory.codec import decode, decode_entry, encode, normalise, pack, settle, unpack
from satchel.memory.errors import DamagedEntry, StoreError
from satchel.memory.normalise import MOST
from satchel.memory.records import (
    Call,
    Charge,
    Ended,
    Entry,
    Fold,
    Opened,
    Page,
    Record,
    Reply,
    Result,
    Said,
    Started,
    Usage,
)
from satchel.memory.shapes import KINDS

GOLDEN: list[tuple[Record, str]] = [
    (
        Opened(salt="00ff00ff00ff00ff00ff00ff00ff00ff"),
        "c110b8011f0293a2723100d9203030666630306666303066663030666630306666303066663030666630306666",
    ),
    (
        Started(run=1, mode="stateful", budget={"steps": 40, "usd": None}, resumed=False),
        "c11036ec095095a272310101a8737461746566756c82a5737465707328a3757364c0",
    ),
    (Said(text="grüße"), "c110b78ff89593a2723102a76772c3bcc39f65"),
    (
        Reply(
            step=2,
            text="",
            model="m",
            usage=Usage(
                fresh=1200, cache_read=7, cache_write=0, output=20, reasoning=0, model_calls=1, tool_calls=0, usd=None
            ),
            opaque={"signature": "s"},
            seconds=1.5,
        ),
        "c110aaec82bb98a272310302a0a16d98cd04b0070014000100c081a97369676e6174757265a173cb3ff8000000000000",
    ),
    (
        Call(id="c1", name="look", args={"at": [1, 2.5, None, True]}, effect="read", refused="no"),
        "c110e529702297a2723104a26331a46c6f6f6b81a261749401cb4004000000000000c0c3a472656164a26e6f",
    ),
    (
        Result(call="c1", text="lorem ipsum " * 100, error=True, usd=0.25),
        "c1118dfa52e778019bb6a8c8907551b2e12d960d39f945a9b90a9905c5a5b90aa3ecd170184d03a3696030a781c3a7ed2f308001002daece65",
    ),
    (Fold(room=8000, deep=False, certificate={"ok": True}, page=9), "c11098b38bc296a2723106cd1f40c281a26f6bc309"),
    (Page(text="res:012345678"), "c1100a193ede93a2723107ad7265733a303132333435363738"),
    (
        Charge(
            why="retry",
            usage=Usage(
                fresh=0, cache_read=0, cache_write=0, output=3, reasoning=0, model_calls=0, tool_calls=0, usd=0.0
            ),
        ),
        "c110fa1ef69a94a2723108a572657472799400000003",
    ),
    (Ended(outcome="done", text="42", detail=""), "c1106a84c17d94a2723109a4646f6e65a23432"),
]
"""Every kind of record as version 1 has written it, under the operation `r1`. A change here breaks stored threads."""


@pytest.mark.parametrize(("record", "stored"), GOLDEN, ids=lambda value: type(value).__name__)
def test_the_bytes_of_version_1_stay_as_they_are(record: Record, stored: str) -> None:
    assert decode_entry(bytes.fromhex(stored), 7) == Entry(7, "r1", record)
    assert encode(record, "r1").hex() == stored


def test_every_kind_of_record_has_golden_bytes() -> None:
    assert {type(record) for record, _ in GOLDEN} == set(KINDS) == set(Record.__args__)


def test_large_texts_are_compressed_if_they_shrink_and_cost_some_20_bytes_more_if_not() -> None:
    assert len(encode(Result(call="1", text="lorem ipsum " * 1_000))) < 200
    text = "".join(chr(0x4E00 + n * n * 7919 % 20_900) for n in range(700))
    assert len(encode(Result(call="1", text=text), "r1/12")) < len(text.encode()) + 24


def forged(body: bytes, form: int = 0x10) -> bytes:
    head = bytes((0xC1, form))
    return head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + body


SAID = KINDS.index(Said)
CALL = KINDS.index(Call)
FOREIGN = {
    "nothing": b"",
    "a header alone": encode(Said(text="hi"))[:6],
    "text": b"hello, I am somebody else's value",
    "pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "the next version": b"\xc1\x20" + encode(Said(text="hi"))[2:],
    "a value, not a record": pack(["", SAID, "hi"]),
    "one byte less": encode(Said(text="hi"))[:-1],
    "one byte more": encode(Said(text="hi")) + b"x",
    "two payloads": forged(msgpack.packb(["", SAID, "hi"]) * 2),
    "no list": forged(msgpack.packb({"kind": SAID})),
    "an empty list": forged(msgpack.packb([])),
    "no operation": forged(msgpack.packb([None, SAID, "hi"])),
    "an unknown kind": forged(msgpack.packb(["", 99, "hi"])),
    "a negative kind": forged(msgpack.packb(["", -1, "hi"])),
    "a boolean kind": forged(msgpack.packb(["", True, "hi"])),
    "too few fields": forged(msgpack.packb(["", SAID])),
    "too many fields": forged(msgpack.packb(["", SAID, "hi", "ho"])),
    "a wrong type": forged(msgpack.packb(["", SAID, 5])),
    "bytes for text": forged(msgpack.packb(["", SAID, b"hi"])),
    "an unknown effect": forged(msgpack.packb(["", CALL, "1", "f", {}, "maybe"])),
    "an effect of a wrong type": forged(msgpack.packb(["", CALL, "1", "f", {}, {}])),
    "an extension": forged(msgpack.packb(["", CALL, "1", "f", msgpack.ExtType(5, b"run me")])),
    "a timestamp": forged(msgpack.packb(["", CALL, "1", "f", msgpack.Timestamp(1)])),
    "bytes in arguments": forged(msgpack.packb(["", CALL, "1", "f", {"a": [b"x"]}])),
    "a number as a key": forged(msgpack.packb(["", CALL, "1", "f", {1: 2}])),
    "bytes as a key": forged(msgpack.packb(["", CALL, "1", "f", {b"a": 2}])),
    "not a number": forged(msgpack.packb(["", CALL, "1", "f", float("nan")])),
    "text that is not UTF-8": forged(b"\x93\xa0" + bytes([SAID]) + b"\xa2\xff\xfe"),
    "a list without its items": forged(b"\xdd\xff\xff\xff\xff"),
    "deep nesting": forged(b"\x95\xa0" + bytes([CALL]) + b"\xa11\xa1f" + b"\x91" * 900 + b"\xc0"),
    "very deep nesting": forged(b"\x91" * 1_000_000),
    "not compressed": forged(b"rubbish", 0x11),
    "cut compression": forged(zlib.compress(msgpack.packb(["", SAID, "hi" * 2_000]))[:-9], 0x11),
    "more after compression": forged(zlib.compress(msgpack.packb(["", SAID, "hi"])) + b"x", 0x11),
    "a bomb": forged(zlib.compress(bytes(codec.LARGEST + 1)), 0x11),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_ours_is_damaged_and_named(data: bytes) -> None:
    with pytest.raises(DamagedEntry, match="entry 3 is damaged or not ours"):
        decode_entry(data, 3)
    if data != FOREIGN["a value, not a record"]:
        with pytest.raises(DamagedEntry):
            unpack(data[:-1])


def test_a_bomb_takes_no_more_memory_than_the_limit() -> None:
    script = """
import resource, sys, zlib
from satchel.memory.codec import decode
from satchel.memory.errors import DamagedEntry
inner = zlib.compressobj(9)
body = b"".join(inner.compress(bytes(1 << 20)) for _ in range(256)) + inner.flush()
head = b"\\xc1\\x11"
bomb = head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + body
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(bomb)
except DamagedEntry:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.exit(grown > 200 * 1024 * (1024 if sys.platform == "darwin" else 1))
sys.exit(2)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_value_comes_back_as_it_was() -> None:
    value = {"a": [1, -2.5, None, True, "ü"], "": {}}
    assert unpack(pack(value)) == value
    with pytest.raises(DamagedEntry):
        unpack(encode(Said(text="a record is no value")))


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    tags: set[str]


class Model(BaseModel):
    when: datetime


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (float("nan"), "NaN"),
        ([float("inf"), float("-inf")], ["Infinity", "-Infinity"]),
        ("a\ud800b", "a\\ud800b"),
        ({"\udfff": 1}, {"\\udfff": 1}),
        (2**64 - 1, 2**64 - 1),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (b"text", "text"),
        (b"\xff\xfe", "base64://4="),
        (bytearray(b"x"), "x"),
        ((1, (2,)), [1, [2]]),
        (deque([1]), [1]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({1: "a", None: "b", False: "c"}, {"1": "a", "null": "b", "false": "c"}),
        ({"1": "a", 1: "b"}, {"1": "a", "1'": "b"}),
        ({(1, 2): "a"}, {"(1, 2)": "a"}),
        (Colour.RED, "red"),
        (Point(1, {"b", "a"}), {"x": 1, "tags": ["a", "b"]}),
        (Model(when=datetime(2026, 1, 2, tzinfo=UTC)), {"when": "2026-01-02T00:00:00+00:00"}),
        (PurePosixPath("a/b"), "PurePosixPath('a/b')"),
        (object(), "<object object>"),
        (Hostile(), None),
        (Point, None),
    ],
)
def test_any_value_can_be_stored(value: object, stored: object) -> None:
    plain = normalise(value)
    if stored is not None:
        assert plain == stored
    assert unpack(pack(value)) == plain == normalise(plain)
    record = Call(id="1", name="f", args={"value": value})
    assert decode(encode(record)) == settle(record)


def test_cycles_depth_and_size_are_bounded() -> None:
    cycle: list[object] = [1]
    cycle.append(cycle)
    assert normalise(cycle) == [1, "[1, [1, [1, [1, [1, [1, [...]]]]]]]"]
    deep: object = 0
    for _ in range(100_000):
        deep = [deep]
    assert unpack(pack(deep)) == normalise(deep)
    wide = [0] * (MOST // 2)
    assert normalise([wide] * 1_000)[-1].endswith(" more values>")
    large = bytes([255]) * (2 << 20)
    assert normalise(large).startswith("<2097152 bytes, blake2s ")


def test_a_text_of_50_mb_is_stored_whole_and_one_above_the_limit_is_refused() -> None:
    text = "é" * 25_000_000
    assert decode(encode(Result(call="1", text=text))) == Result(call="1", text=text)
    with pytest.raises(StoreError, match=r"above the limit of 67,108,864"):
        encode(Result(call="1", text="x" * codec.LARGEST))


def test_a_field_of_a_wrong_type_is_refused_before_it_is_stored() -> None:
    with pytest.raises(StoreError, match="a Charge cannot be stored"):
        encode(Charge(why="x", usage=Usage(usd=float("nan"))))
    with pytest.raises(StoreError):
        encode(Charge(why="x", usage=Usage(fresh=2**70)))
