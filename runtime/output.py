"""What a tool returned, as text: JSON where it is JSON, never larger than a bound, always encodable."""

from __future__ import annotations

import json

from satchel.memory.normalise import normalise, text

CAP = 16 * 1024 * 1024
"""Bytes of a result that are kept."""


def to_text(value: object) -> str:
    """Text as it is; a JSON value as compact JSON; anything else as the JSON value that comes nearest to it."""
    return capped(text(str.__str__(value) if isinstance(value, str) else _json(value)))


def _json(value: object) -> str:
    try:
        return _dumps(value)
    except (TypeError, ValueError, RecursionError):
        nearest = normalise(value)
        return nearest if isinstance(nearest, str) else _dumps(nearest)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def capped(whole: str) -> str:
    """The text, cut to `CAP` bytes with a sentence that says so."""
    if len(whole) * 4 <= CAP:
        return whole
    data = whole.encode()
    if len(data) <= CAP:
        return whole
    note = f"\n[cut by the runtime: the result was {len(data):,} bytes, the rest was not kept; ask for a smaller part]"
    return data[: CAP - len(note)].decode("utf-8", "ignore") + note
