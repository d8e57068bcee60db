"""Handles: short names for a thread's entries that say nothing about their position and resolve in that thread only."""

from __future__ import annotations

import re
import secrets
from hashlib import blake2s
from typing import TYPE_CHECKING

from satchel.memory.errors import UnknownHandle

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId

HANDLE = re.compile(r"(?<!\w)res:[0-9a-z]{4,32}")
"""A handle inside running text."""

COUNT = 10**9
"""Handles of a thread."""

RESULT = COUNT // 2
"""The result of the call at entry n is numbered `RESULT + n`, whatever the order in which parallel calls finish."""

SALT = 16
"""Bytes of a salt."""

_OURS = re.compile(r"res:([0-9]{9})", re.ASCII)
_HALF = 15
_MASK = (1 << _HALF) - 1
_ROUNDS = 4


def salt_for(thread: ThreadId, seed: int | None) -> bytes:
    """The salt of a new thread: random, or with a seed the same for the same thread (evals)."""
    if seed is None:
        return secrets.token_bytes(SALT)
    text = "\0".join((str(seed), str(len(thread.tenant)), thread.tenant, thread.name))
    return blake2s(text.encode(errors="surrogatepass"), digest_size=SALT, person=b"satchel").digest()


def ref(salt: bytes, seq: int) -> str:
    """The handle of entry `seq`: a keyed bijection of [0, 10^9), so two entries of a thread never share one.

    A balanced Feistel network over 30 bits with 4 rounds (Luby and Rackoff 1988), walked until it falls into the range
    (Black and Rogaway 2002, "cycle walking": 1.07 steps on average).
    """
    if not 0 <= seq < COUNT:
        raise UnknownHandle(f"entry {seq} has no handle: only entries 0 to {COUNT - 1} have one; start a new thread")
    value = _permute(salt, seq)
    while value >= COUNT:
        value = _permute(salt, value)
    return f"res:{value:09d}"


def seq(salt: bytes, ref: str) -> int:
    """The entry that a handle names in the thread of this salt; `UnknownHandle` if it is not of our form."""
    match = _OURS.fullmatch(ref)
    if match is None:
        raise UnknownHandle(f"{ref[:40]!r} is not a handle; handles look like res:012345678 and stand in the prompt")
    value = _restore(salt, int(match[1]))
    while value >= COUNT:
        value = _restore(salt, value)
    return value


def _permute(salt: bytes, value: int) -> int:
    left, right = value >> _HALF, value & _MASK
    for number in range(_ROUNDS):
        left, right = right, left ^ _round(salt, number, right)
    return left << _HALF | right


def _restore(salt: bytes, value: int) -> int:
    left, right = value >> _HALF, value & _MASK
    for number in reversed(range(_ROUNDS)):
        left, right = right ^ _round(salt, number, left), left
    return left << _HALF | right


def _round(salt: bytes, number: int, half: int) -> int:
    digest = blake2s(bytes((number, half >> 8, half & 255)), key=salt, digest_size=2).digest()
    return int.from_bytes(digest, "big") & _MASK
