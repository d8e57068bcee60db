"""The file of a cassette: JSON lines, each message and each list of tools once, and calls that name them by digest.

    {"cassette": 1, "model": ..., "window": ..., "exact": ...}
    {"part": DIGEST, "value": MESSAGE | TOOLS}
    {"scope": NAME}                                    the calls of this scope begin anew
    {"scope": NAME, "request": [TOOLS, MESSAGE...], "reply_tokens": N, "answer" | "error": {...}}

No secret is stored: what looks like a key or a password, and the values of variables of the environment that are named
like one, become `***`. Headers and clients are no part of a request.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from satchel.memory.errors import CassetteError
from satchel.memory.normalise import normalise
from satchel.runtime.context import tokens
from satchel.runtime.failure import redact

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

NAME = "cassette.jsonl"
VERSION = 1

SHORTEST = 8
"""Characters of the shortest value of the environment that is taken for a secret."""

_SECRET_NAMES = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)

Parts = Sequence["Json"]
"""A request by its parts: tools, then messages, without secrets."""


def blanked(value: Json) -> Json:
    """A JSON value in which nothing looks like a secret."""
    hidden = {v for name, v in os.environ.items() if _SECRET_NAMES.search(name) and len(v) >= SHORTEST}
    return _blanked(normalise(value), sorted(hidden, key=len, reverse=True))


def _blanked(value: Json, hidden: Sequence[str]) -> Json:
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, "***")
        return redact(value)
    if isinstance(value, dict):
        return {key: _blanked(part, hidden) for key, part in value.items()}
    return [_blanked(part, hidden) for part in value] if isinstance(value, list) else value


def parts(messages: Sequence[Message], tools: Sequence[Json]) -> Parts:
    """The canonical request: what decides an answer, beside the model and `reply_tokens`."""
    shown = [{**m.wire(), **({"opaque": m.opaque} if m.opaque is not None else {})} for m in messages]
    return [blanked(part) for part in (list(tools), *shown)]


def digest(value: Json) -> str:
    """The name of a part, or of a request's parts."""
    return hashlib.sha256(tokens.compact(value).encode(errors="surrogatepass")).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Taken:
    """One recorded call: its parts by digest, the reserve for the reply, and the answer or the error."""

    request: tuple[str, ...]
    reply_tokens: int
    outcome: Mapping[str, Json]


@dataclass(slots=True)
class Tape:
    """What a cassette holds: the model, the parts, and the calls of each scope in their order."""

    path: Path
    model: Mapping[str, Json]
    parts: dict[str, Json] = field(default_factory=dict)
    scopes: dict[str, list[Taken]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Tape:
        """The cassette in a folder; a line that a crash cut short is left out. Raises `CassetteError`."""
        path = folder / NAME
        try:
            whole = path.read_bytes().rpartition(b"\n")[0].decode()
        except (OSError, UnicodeDecodeError) as error:
            raise CassetteError(f"there is no cassette {path} that can be read ({error}); record one first") from None
        head, *rest = whole.split("\n")
        tape = cls(path, _parsed(head, path, 1, "model"))
        if tape.model.get("cassette") != VERSION:
            raise CassetteError(f"{path} is no cassette of version {VERSION}; record it again")
        for number, line in enumerate(rest, 2):
            tape._take(line, number)
        return tape

    def _take(self, line: str, number: int) -> None:
        raw = _parsed(line, self.path, number)
        if "part" in raw:
            self.parts[str(raw["part"])] = raw.get("value")
        elif "request" not in raw:
            self.scopes[str(raw.get("scope"))] = []
        elif isinstance(raw["request"], list) and self.parts.keys() >= set(map(str, raw["request"])):
            taken = Taken(tuple(raw["request"]), int(raw.get("reply_tokens") or 0), raw)
            self.scopes.setdefault(str(raw.get("scope")), []).append(taken)
        else:
            raise CassetteError(f"{self.path}, line {number}: a request without its parts; record it again")

    def add(self, scope: str, request: Parts, reply_tokens: int, outcome: Mapping[str, Json]) -> None:
        """Append a call: it outlives the process once this returns."""
        names = [digest(part) for part in request]
        new = {name: part for name, part in zip(names, request, strict=True) if name not in self.parts}
        self.parts |= new
        call = {"scope": scope, "request": names, "reply_tokens": reply_tokens, **outcome}
        self.write(*({"part": name, "value": part} for name, part in new.items()), call)

    def write(self, *lines: Mapping[str, Json]) -> None:
        """Append lines."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


def _parsed(line: str, path: Path, number: int, *needed: str) -> Mapping[str, Json]:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CassetteError(f"{path}, line {number}: no JSON ({error}); record it again") from None
    if not isinstance(raw, dict) or not all(name in raw for name in needed):
        raise CassetteError(f"{path}, line {number}: no line of a cassette; record it again")
    return raw


def difference(recorded: Parts, made: Parts) -> str:
    """Where a request first differs from the recorded one, in words."""
    for n, (old, new) in enumerate(zip(recorded, made, strict=False)):
        if old != new:
            return f"{_named(n, new)} was {_around(old, new)}, and is {_around(new, old)}"
    if len(recorded) == len(made):
        return "the reserve for the reply differs"
    longer = max(recorded, made, key=len)
    at = min(len(recorded), len(made))
    return f"{_named(at, longer[at])} stands in the {'recording' if longer is recorded else 'request'} alone"


def _named(n: int, part: Json) -> str:
    return f"message {n - 1} ({part.get('role')})" if n else "the list of tools"


def _around(value: Json, other: Json) -> str:
    """A little of a value where it begins to differ from another."""
    text, against = tokens.compact(value), tokens.compact(other)
    at = next((n for n, (a, b) in enumerate(zip(text, against, strict=False)) if a != b), min(len(text), len(against)))
    return repr(("..." if at > 30 else "") + text[max(0, at - 30) : at + 50])  # noqa: PLR2004 - a glance around the spot
