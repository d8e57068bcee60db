"""Values of channels as bytes: sealed, compressed, and named by their content, so that each is kept once.

A value is serialised by the saver's serde. Up to `INLINE` bytes it stands where it is used; above, it is a blob under
its digest, and its digest stands there. So a message that a task wrote is not written again by the channel it goes to.
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING

from satchel.memory.errors import DamagedEntry, StoreError
from satchel.memory.keyring import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from satchel.memory.store import ThreadId

INLINE = 64
"""Bytes of a value that is not worth a field of its own."""

LARGEST = 64 << 20
"""Bytes of one value, at most: 64 MiB."""

_FAULTS = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, NotImplementedError, RecursionError,
    ImportError,
)  # fmt: skip
_KINDS = ("msgpack", "null", "bytes", "bytearray")
_OTHER, _DIGEST = 0xFE, 0xFF
_SIZE = 16
_PLAIN, _PACKED = 0x20, 0x21
_HEADER = 5
_WORTH = 48
_LEVEL = 6
_SMALL, _LARGE = (
    (-12, 5),
    (-15, 8),
)  # window and memory: most values are small, and clearing memory takes longer than they

_DICTIONARY = (
    b"\xb2model_validate_json\xaadocumentsartifact\xa6status\xa5error\xa7success\xa7example\xc2"
    b"\xa9streaming\xa8metadata\x94\xbflangchain_core.messages.system\xadSystemMessage"
    b"\x94\xbelangchain_core.messages.human\xacHumanMessage\x89\xa7content\xa4type\xa5human"
    b"\xa5usage\xacinput_tokens\xadoutput_tokens\xactotal_tokens\xb3input_token_details\xb4output_token_details\xaacache_read"
    b"\xaacreated_at\xa5model\xaamodel_name\xadfinish_reason\xa4stop\xa4lc_run--"
    b"\x94\xbclangchain_core.messages.tool\xabToolMessage\x89\xa7content\xb1additional_kwargs\x80\xb1response_metadata\x80"
    b"\xa4type\xa4tool\xa4name\xc0\xa2id\xd9$\xactool_call_id\xa8artifact\xc0\xa6status\xa7success\xb3model_validate_json"
    b"\x94\xbalangchain_core.messages.ai\xa9AIMessage\x89\xa7content\xa0\xb1additional_kwargs\x80\xb1response_metadata\x80"
    b"\xa4type\xa2ai\xa4name\xc0\xa2id\xd9$\xaatool_calls\x91\x84\xa4name\xa4args\x81\xa2id\xa5call_\xa4type\xa9tool_call"
    b"\xb2invalid_tool_calls\x90\xaeusage_metadata\xc0\xb3model_validate_json"
    b"\xddcounters_since_delta_snapshot\xa7user_id\xa6run_id\xacassistant_id\xa8graph_id\xb0langgraph_auth"
    b"~__pregel_pull, ~__pregel_push, \xad__interrupt__\xa9__error__\xaa__resume__\xab__no_writes__"
    b"\x87\xa1v\x04\xa2ts\xd9 +00:00\xa2id\xd9$\xb0channel_versions\xafupdated_channels\xadversions_seen"
    b"\xa9__input__\x80\xa9__start__\xae__pregel_tasks\xa8messages\xacbranch:to:agent\xabbranch:to:model"
    b"\xacbranch:to:tools\xa5agent\xa5model\xa5tools\xadpending_sends\x90"
    b"\x83\xa6source\xa4fork\xa6update\xa5input\xa4loop\xa4step\xa7parents\x80"
)
"""What compression may point back to: the words of LangGraph's checkpoints and messages. It is part of the format."""


def frame(kind: str, data: bytes) -> bytes:
    """What a serde made, in one piece."""
    if kind in _KINDS:
        return bytes((_KINDS.index(kind),)) + data
    name = kind.encode()
    return bytes((_OTHER, len(name))) + name + data


def unframe(data: bytes) -> tuple[str, bytes]:
    """What `frame` was given."""
    if not data or data[0] < len(_KINDS):
        return _KINDS[data[0]], data[1:]
    end = 2 + data[1]
    return data[2:end].decode(), data[end:]


def refer(framed: bytes) -> bytes:
    """What stands in place of a framed value: itself if it is short, else its digest."""
    if len(framed) <= INLINE:
        return framed
    return bytes((_DIGEST,)) + blake2b(framed, digest_size=_SIZE).digest()


def digest(ref: bytes) -> bytes | None:
    """The digest that a reference is, None if it is the value itself."""
    return ref[1:] if ref[:1] == bytes((_DIGEST,)) else None


def seal(data: bytes) -> bytes:
    """Bytes with a checksum, compressed where that shrinks them: form, crc32 of what follows, body.

    Raises `StoreError` for what is above `LARGEST`.
    """
    if len(data) > LARGEST:
        raise StoreError(f"a value of {len(data):,} bytes is above the limit of {LARGEST:,}; keep less in one channel")
    form, body = _PLAIN, data
    if len(data) > _WORTH:
        window, memory = _SMALL if len(data) <= 1 << -_SMALL[0] else _LARGE
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, window, memory, zdict=_DICTIONARY)
        small = packer.compress(data) + packer.flush()
        if len(small) < len(data):
            form, body = _PACKED, small
    return bytes((form,)) + zlib.crc32(body, form).to_bytes(4, "big") + body


def unseal(data: bytes, what: str) -> bytes:
    """What `seal` was given; `DamagedEntry`, naming `what`, for bytes that it never gives."""
    refuse(data, what)
    body = data[_HEADER:]
    if len(data) < _HEADER or zlib.crc32(body, data[0]).to_bytes(4, "big") != data[1:_HEADER]:
        raise damaged(what)
    if data[0] == _PLAIN:
        return body
    try:
        unpacker = zlib.decompressobj(-15, zdict=_DICTIONARY)
        plain = unpacker.decompress(body, LARGEST + 1)
    except zlib.error as error:
        raise damaged(what) from error
    if data[0] != _PACKED or len(plain) > LARGEST or not unpacker.eof or unpacker.unused_data:
        raise damaged(what)
    return plain


def checkpoint_of(thread: ThreadId) -> str:
    """What is damaged, if something in a thread's checkpoints is."""
    return f"a checkpoint of thread {thread.name!r}"


@contextmanager
def strict(thread: ThreadId) -> Iterator[None]:
    """Whatever a reader of a thread's checkpoints stumbles over is `DamagedEntry`: only strange bytes make it."""
    try:
        yield
    except _FAULTS as error:
        raise damaged(checkpoint_of(thread)) from error


def damaged(what: str) -> DamagedEntry:
    """The error for bytes that are not what we wrote."""
    return DamagedEntry(f"{what} is damaged, missing or not ours; restore the store, or remove the thread")
