"""The JSON of a transcript file: one document or JSON lines, plain or gzip, bounded, each value with its place."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from satchel.memory.errors import TraceError

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.memory.records import Json

LARGEST = 2**28
"""Bytes of a file, unpacked, beyond which it is not read."""

DEEPEST = 64
"""Levels of nesting of a value beyond which it is no transcript."""

MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)
"""What a reader raises that meets other values than its format has."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """The values of a file, each with the words for where it stands."""

    name: str
    records: tuple[tuple[str, Json], ...]

    @property
    def values(self) -> Iterator[Json]:
        """The values alone."""
        return (value for _, value in self.records)

    def each(self, convert: Callable[[Json], T]) -> Iterator[T]:
        """Each value, converted. Raises `TraceError` with file and line where that fails."""
        for where, value in self.records:
            yield at(where, convert, value)


def at(where: str, convert: Callable[[Json], T], value: Json) -> T:
    """A value converted; what is wrong with it as `TraceError` that says where it stands."""
    try:
        return convert(value)
    except MALFORMED as error:
        raise malformed(where, error) from None


def malformed(where: str, error: Exception) -> TraceError:
    """What is wrong with a value, and where it stands."""
    what = f"no {error}" if isinstance(error, KeyError) else str(error)
    return TraceError(f"{where}: not what this format has there ({what})")


def load(path: Path) -> Source:
    """The values of a file. Raises `TraceError` for what cannot be read, is too large, or is no JSON."""
    return parse(path, _bytes(path))


def parse(path: Path, data: bytes) -> Source:
    """The values of the bytes of a file, unpacked. Raises `TraceError` as `load` does."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from None
    try:
        values = [(str(path), json.loads(text))]
    except RecursionError:
        raise TraceError(f"{path}: nested too deep to be a transcript") from None
    except ValueError as error:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) < 2 or not _is_json(lines[0][1]):  # noqa: PLR2004 - one line is one document
            raise TraceError(f"{path} is neither JSON nor JSON lines: {error}") from None
        values = [(f"{path}, line {number}", _line(line, f"{path}, line {number}")) for number, line in lines]
    for where, value in values:
        if not shallow(value):
            raise TraceError(f"{where}: nested deeper than {DEEPEST} levels, so it is no transcript")
    return Source(path.name.partition(".")[0], tuple(values))


def _bytes(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None
    if len(data) > LARGEST:
        raise TraceError(f"{path} has more than {LARGEST:,} bytes unpacked; split it")
    return data


def _unreadable(path: Path, error: Exception) -> TraceError:
    return TraceError(f"{path} cannot be read: {error}; expected JSON in UTF-8, gzip if it ends in .gz")


def _line(line: str, where: str) -> Json:
    try:
        return json.loads(line)
    except RecursionError:
        raise TraceError(f"{where}: nested too deep to be a transcript") from None
    except ValueError as error:
        raise TraceError(f"{where}: no JSON ({error})") from None


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def shallow(value: Json) -> bool:
    """Whether a value is nested at most `DEEPEST` levels."""
    level: Sequence[Json] = [value]
    for _ in range(DEEPEST):
        level = [x for v in level if isinstance(v, dict | list) for x in (v.values() if isinstance(v, dict) else v)]
        if not level:
            return True
    return False


def some(values: Iterator[Json], most: int = 1000) -> list[Json]:
    """The first values: what a format is told by."""
    return list(islice(values, most))
