"""The value of an item and its time to live, as they are kept: JSON that comes back as it went in, and milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from satchel.memory.codec import normalise, pack, unpack
from satchel.memory.errors import ConfigError, DamagedEntry

if TYPE_CHECKING:
    from satchel.memory.items import Path, Row
    from satchel.memory.records import Json

LONGEST_TTL = 1e9
"""Minutes that an item may live, at most (1,900 years)."""


def packed(path: Path, key: str, given: object) -> bytes:
    """The bytes of a value; `ConfigError` for one that is no JSON object and would not come back as it is."""
    value = normalise(given)
    if not isinstance(given, Mapping) or not _same(given, value):
        raise ConfigError(
            f"the value of item {key!r} in {path} is not a JSON object and would not come back as it is; "
            "give text keys, finite numbers of 64 bits and plain lists and dicts"
        )
    return pack(value)


def milliseconds(minutes: float | None) -> int:
    """A time to live as the store keeps it; 0 for None, which is for ever."""
    if minutes is None:
        return 0
    if not 0 < minutes <= LONGEST_TTL:
        raise ConfigError(
            f"a time to live of {minutes} minutes is not above 0 and at most {LONGEST_TTL:.0e}; change it"
        )
    return max(1, round(minutes * 60_000))


def value_of(row: Row) -> dict[str, Json]:
    """What `packed` was given; `DamagedEntry`, naming the item, for bytes that it never gives."""
    try:
        value = unpack(row.data)
    except DamagedEntry as error:
        value = error
    if isinstance(value, dict):
        return value
    raise DamagedEntry(f"item {row.key!r} of {row.path} is damaged or not ours; put it anew, or delete it") from (
        value if isinstance(value, DamagedEntry) else None
    )


def _same(given: object, kept: Json) -> bool:
    """Whether JSON says all there is of a value; a tuple is a list to it."""
    if isinstance(kept, dict):
        return (
            isinstance(given, Mapping)
            and len(given) == len(kept)
            and all(name in kept and _same(item, kept[name]) for name, item in given.items())
        )
    if isinstance(kept, list):
        return isinstance(given, (list, tuple)) and len(given) == len(kept) and all(map(_same, given, kept))
    return bool(given == kept)
