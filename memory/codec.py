"""Records as bytes and back: compact, checksummed, strict; foreign bytes give `DamagedEntry` and run nothing.

- An entry is 0xC1, version (1) x 16 + form, crc32 of all else (4 bytes, big endian), payload: 6 bytes and the payload.
- The form is 1 if the payload is compressed (zlib level 1, where it is above 1 KB and shrinks), plus 2 for a value.
- Form 12 is an entry that is sealed as a whole; see `keyring`.
- The payload is msgpack of [operation, number of the kind, fields in order without trailing defaults], or of the value.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgpack

from satchel.memory.errors import DamagedEntry, StoreError
from satchel.memory.keyring import refuse
from satchel.memory.normalise import MOST, normalise, text
from satchel.memory.records import Entry, Usage
from satchel.memory.shapes import KINDS, build, flat, json, shape, values

if TYPE_CHECKING:
    from satchel.memory.records import Json, Record

__all__ = [
    "LARGEST",
    "decode",
    "decode_entry",
    "encode",
    "normalise",
    "pack",
    "pack_as",
    "settle",
    "unpack",
    "unpack_as",
]

T = TypeVar("T")

LARGEST = 64 << 20
"""Bytes of one entry before compression, at most: 64 MiB."""

_MAGIC, _VERSION = 0xC1, 1 << 4
_COMPRESSED, _VALUE = 1, 2
_HEADER, _CRC = 6, 2
_WORTH = 1_024
_FRAME = 16
_FAULTS = (ValueError, TypeError, OverflowError, RecursionError, zlib.error, msgpack.UnpackException)


def encode(record: Record, op: str = "") -> bytes:
    """A record and the operation that wrote it as one entry.

    Total on JSON: what cannot be stored is normalised. Raises `StoreError` if a field has a wrong type, or the whole is
    above `LARGEST`.
    """
    return encode_settled(settle(record), op)


def encode_settled(record: Record, op: str) -> bytes:
    """`encode` for a record that comes from `settle`, without normalising it again."""
    try:
        fields = values(record)
    except _FAULTS as error:
        raise StoreError(f"a {type(record).__name__} cannot be stored: {_short(error)}; mend its maker") from error
    return _seal([text(op), KINDS.index(type(record)), *fields], 0)


def decode(data: bytes) -> Record:
    """The record of an entry; `DamagedEntry` if the bytes are not what we wrote."""
    return decode_entry(data, 0).record


def decode_entry(data: bytes, seq: int, thread: str = "") -> Entry:
    """The whole entry at position `seq`; `DamagedEntry` as above, naming the position, and the thread if given."""
    try:
        op, record = _record(_open(data, 0))
    except _FAULTS as error:
        where = f"entry {seq} of thread {thread!r}" if thread else f"entry {seq}"
        raise DamagedEntry(
            f"{where} is damaged or not ours ({_short(error)}); restore the store, or remove the thread"
        ) from error
    return Entry(seq, op, record)


def pack(value: Json) -> bytes:
    """A JSON value in the same envelope; it can never be mistaken for a record."""
    return _seal(normalise(value), _VALUE)


def unpack(data: bytes) -> Json:
    """The value of `pack`; `DamagedEntry` if the bytes are not what we wrote."""
    try:
        return json(_open(data, _VALUE))
    except _FAULTS as error:
        raise DamagedEntry(
            f"a stored value is damaged or not ours ({_short(error)}); restore the store, or remove the thread"
        ) from error


def pack_as(value: object) -> bytes:
    """A dataclass, whose texts are settled, in the same envelope; raises `StoreError` if it is above `LARGEST`."""
    return _seal(flat(value), _VALUE)


def unpack_as(kind: type[T], data: bytes) -> T:
    """The dataclass of `pack_as`, every field checked; `DamagedEntry` if the bytes are not what we wrote."""
    try:
        return cast("T", build(kind, _open(data, _VALUE)))
    except _FAULTS as error:
        raise DamagedEntry(f"a stored {kind.__name__} is damaged or not ours ({_short(error)})") from error


def settle(record: Record) -> Record:
    """The record as it will be read back: every field normalised. Settling twice changes nothing."""
    kind = type(record)
    return kind(**{f.name: _settled(getattr(record, f.name)) for f in shape(kind)})


def _settled(value: object) -> Json:
    return value if type(value) is Usage else normalise(value)


def _seal(payload: Json, form: int) -> bytes:
    body = cast("bytes", msgpack.packb(payload))
    if len(body) > LARGEST:
        raise StoreError(f"an entry of {len(body):,} bytes is above the limit of {LARGEST:,}; return less at a time")
    if len(body) > _WORTH and len(small := zlib.compress(body, 1)) < len(body):
        body, form = small, form | _COMPRESSED
    head = bytes((_MAGIC, _VERSION | form))
    return head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + body


def _open(data: bytes, form: int) -> Json:
    refuse(data, "what is stored here")
    if len(data) <= _HEADER or data[0] != _MAGIC:
        raise ValueError("no header of ours")
    if data[1] & ~_COMPRESSED != _VERSION | form:
        raise ValueError(f"unknown version or form {data[1]:#04x}")
    body = data[_HEADER:]
    if zlib.crc32(body, zlib.crc32(data[:_CRC])).to_bytes(4, "big") != data[_CRC:_HEADER]:
        raise ValueError("wrong checksum")
    if data[1] & _COMPRESSED:
        body = _inflate(body)
    if len(body) > LARGEST:
        raise ValueError("too large")
    most = min(MOST + _FRAME, len(body))  # room is taken for as many as an array says that it holds
    return msgpack.unpackb(body, max_array_len=most, max_map_len=most, max_ext_len=0, **_counted(body))


def _counted(body: bytes) -> dict[str, Any]:
    """What refuses a payload of more values than were ever written; a short one cannot hold so many."""
    if len(body) <= MOST:
        return {}
    seen = 0

    def count(container: Json) -> Json:
        nonlocal seen
        seen += len(container) or 1
        if seen > 2 * (MOST + _FRAME):  # an empty one counts twice: here, and in what it stands in
            raise ValueError("too many values")
        return container

    return {"list_hook": count, "object_hook": count}


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    plain = inflater.decompress(body, LARGEST + 1)
    if len(plain) > LARGEST or not inflater.eof or inflater.unused_data:
        raise ValueError("not one compressed payload within the limit")
    return plain


def _record(payload: Json) -> tuple[str, Record]:
    op, number, *fields = _list(payload)
    if type(op) is not str or type(number) is not int or not 0 <= number < len(KINDS):
        raise ValueError("unknown kind")
    return op, cast("Record", build(KINDS[number], fields))


def _list(payload: Json) -> list[Json]:
    if type(payload) is not list:
        raise TypeError("not a record")
    return payload


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:120]
