"""The file of a thread: frames, a magic word before them and a digest behind them, read strictly.

The format, version 1; all numbers are big endian:

- 8 bytes: 0xC1 `SATCHEL`; then frames, each one letter, the length of its body in 4 bytes, and the body.
- `H`, once and first: a JSON value in the codec's envelope: `format`, `thread`, `expire` (seconds, or null);
  others are ignored (early files have a `mark`).
- `E`, one for each entry of the log, in order, as the codec writes them.
- `F`, one for each of its fields (LangGraph's checkpoints): the length of the name in 2 bytes, the name, the value.
- `Z`, once and last: the blake2b of 32 bytes over all that stands before this frame.

Reading takes one frame at a time into memory, runs nothing, and names the byte at which a file is not what we wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO

from satchel.memory.codec import LARGEST
from satchel.memory.errors import DamagedEntry

_MAGIC = b"\xc1SATCHEL"
_HEAD = 5
_NAME = 2
_ROOM = LARGEST + 1_024
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece of a file: its kind, its body, and the byte at which it begins."""

    kind: str
    body: bytes
    at: int


def frames(file: BinaryIO) -> Iterator[Frame]:
    """The frames of a file; `DamagedEntry`, naming the byte, for one that is cut, altered or not ours.

    The last frame is given only if the digest holds, so what came before it is to be trusted only then.
    """
    reader = _Reader(file)
    frame = reader.frame()
    check(frame.kind == "H", frame, "the header is missing")
    while frame.kind != "Z":
        yield frame
        seen = reader.digest()
        frame = reader.frame()
        check(frame.kind in "EFZ", frame, f"a frame of the unknown kind {frame.kind!r}")
    check(frame.body == seen, frame, "the digest does not hold, so something before it was altered")
    check(not file.read(1), frame, "something stands behind the end")
    yield frame


def named(name: bytes, value: bytes) -> bytes:
    """The body of an `F`."""
    return len(name).to_bytes(_NAME, "big") + name + value


def field(frame: Frame) -> tuple[bytes, bytes]:
    """The name and the value in an `F`."""
    end = _NAME + int.from_bytes(frame.body[:_NAME], "big")
    check(_NAME < end <= len(frame.body), frame, "a field without its name")
    return frame.body[_NAME:end], frame.body[end:]


def check(holds: bool, frame: Frame, what: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Raise `DamagedEntry` for a frame that is not as it must be."""
    if not holds:
        raise broken(frame, what)


def broken(frame: Frame, what: str) -> DamagedEntry:
    """The error for a frame."""
    return DamagedEntry(f"the file of a thread is damaged or not ours at byte {frame.at:,}: {what}; export it anew")


class Writer:
    """Writes frames; `end` writes the last one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = blake2b(digest_size=_DIGEST)
        self._write(_MAGIC)

    def frame(self, kind: str, body: bytes) -> None:
        """Write one frame."""
        self._write(kind.encode() + len(body).to_bytes(4, "big"))
        self._write(body)

    def end(self) -> bytes:
        """Write the digest of all before, and return it."""
        digest = self._hash.digest()
        self.frame("Z", digest)
        return digest

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = blake2b(digest_size=_DIGEST)
        self._at = 0
        magic = self._read(len(_MAGIC), Frame("", b"", 0))
        check(magic == _MAGIC, Frame("", b"", 0), "this is no thread that `satchel threads export` wrote")

    def frame(self) -> Frame:
        here = Frame("", b"", self._at)
        head = self._read(_HEAD, here)
        size = int.from_bytes(head[1:], "big")
        check(size <= _ROOM, here, f"a frame of {size:,} bytes, above the limit")
        return Frame(head[:1].decode("latin-1"), self._read(size, here), here.at)

    def digest(self) -> bytes:
        """Of all that was read."""
        return self._hash.digest()

    def _read(self, size: int, frame: Frame) -> bytes:
        data = self._file.read(size)
        check(len(data) == size, frame, "the file ends inside it")
        self._hash.update(data)
        self._at += size
        return data
