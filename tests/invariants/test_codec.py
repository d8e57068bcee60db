"""Hypothesis attacks the codec: what goes in comes out, and no bytes do anything but come out or be refused."""

from __future__ import annotations

import zlib
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from satchel.memory.codec import decode, decode_entry, encode, encode_settled, normalise, pack, settle, unpack
from satchel.memory.errors import DamagedEntry, WrongKey
from satchel.memory.handles import COUNT, ref, seq
from satchel.memory.records import Json, Record, Usage
from satchel.memory.shapes import KINDS

TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # lone surrogates included
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=20)
VALUE = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.integers(), inner, max_size=4),
    max_leaves=20,
)
COUNTS = st.integers(0, 2**40)
USD = st.floats(0, 1e6)
USAGE = st.builds(
    Usage, fresh=COUNTS, cache_read=COUNTS, cache_write=COUNTS, output=COUNTS, model_calls=COUNTS, usd=USD | st.none()
)
OBJECT = st.dictionaries(TEXT, VALUE, max_size=4)
BY_HINT = {
    str: TEXT | TEXT.map(lambda text: text * 100),
    int: COUNTS,
    float: USD,
    bool: st.booleans(),
    type(None): st.none(),
    dict[str, Json]: OBJECT,
    Json: VALUE,
    Usage: USAGE,
}


def filling(hint: Any) -> st.SearchStrategy[Any]:
    """Whatever a field with this hint may hold."""
    if hint in BY_HINT:
        return BY_HINT[hint]
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    return st.one_of(*map(filling, get_args(hint)))


RECORD: st.SearchStrategy[Record] = st.one_of(
    *(st.builds(kind, **{name: filling(hint) for name, hint in get_type_hints(kind).items()}) for kind in KINDS)
)


@given(RECORD, TEXT)
def test_any_record_comes_back_as_it_was_settled(record: Record, op: str) -> None:
    settled = settle(record)
    entry = decode_entry(encode(record, op), 5)
    assert (entry.seq, entry.record) == (5, settled)
    assert settle(settled) == settled
    assert encode_settled(settled, entry.op) == encode(record, op)


@given(VALUE)
def test_any_value_comes_back_as_it_was_normalised(value: Json) -> None:
    assert unpack(pack(value)) == normalise(value) == normalise(normalise(value))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for read in (decode, unpack):
        try:
            read(data)
        except (DamagedEntry, WrongKey):
            continue


@given(st.binary(max_size=200), st.sampled_from([0x10, 0x11, 0x12, 0x13]), st.booleans())
def test_any_bytes_in_our_envelope_are_read_or_refused(body: bytes, form: int, compressed: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
    body = zlib.compress(body) if compressed else body
    head = bytes((0xC1, form))
    data = head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + body
    for read in (decode, unpack):
        try:
            read(data)
        except DamagedEntry:
            continue


@given(RECORD, st.data())
def test_a_flipped_bit_is_detected(record: Record, data: st.DataObject) -> None:
    stored = bytearray(encode(record, "op"))
    place = data.draw(st.integers(0, len(stored) * 8 - 1))
    stored[place // 8] ^= 1 << place % 8
    try:
        decode(bytes(stored))
    except DamagedEntry:
        return
    raise AssertionError("a flipped bit went unseen")


@given(RECORD, st.data())
def test_a_cut_entry_is_detected(record: Record, data: st.DataObject) -> None:
    stored = encode(record, "op")
    try:
        decode(stored[: data.draw(st.integers(0, len(stored) - 1))])
    except DamagedEntry:
        return
    raise AssertionError("a cut went unseen")


@given(st.binary(min_size=16, max_size=16), st.integers(0, COUNT - 1))
def test_a_handle_leads_back_to_its_entry_under_any_salt(salt: bytes, place: int) -> None:
    assert seq(salt, ref(salt, place)) == place
