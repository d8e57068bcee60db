"""The model's own notes: what its calls of `note` wrote, reduced to what counts now, and shown as its own words.

A fact replaces the one of its key, a line moves to the list that names it last, `drop` takes out what it names. Of more
than `MOST` notes, what is done leaves first, then the oldest. What leaves stands behind the handle of its call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.prompts import render
from satchel.runtime.context import tokens

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.turn import Turn

NAME = "note"

KINDS = {"facts": "fact", "decisions": "decision", "done": "done", "to_do": "to do", "open": "open", "failed": "failed"}
"""The lists of a patch, and how a line of each begins. What the user asks for is in none of them."""

MOST = 64
"""Notes that are kept."""

LONGEST = 300
"""Characters of one note."""

SIZE, SHARE = 1_000, 0.125
"""Tokens that notes may take in the prompt, and the share of its room; the newest are shown."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line: `key` names a fact, and is the text itself elsewhere."""

    kind: str
    key: str
    text: str

    def __str__(self) -> str:
        said = f" {self.key} = {self.text}" if self.kind == "facts" else f": {self.text}"
        return KINDS[self.kind] + said


@dataclass(frozen=True, slots=True)
class Notes:
    """What counts now, in the order in which it was written last."""

    lines: tuple[Note, ...] = ()

    def patched(self, patch: dict[str, Json]) -> Notes:
        """After a patch that `note` took."""
        found = {_place(line): line for line in self.lines}
        for name in _texts(patch, "drop"):
            for place in (("facts", name), ("", name)):
                found.pop(place, None)
        for line in _written(patch):
            found.pop(_place(line), None)
            found[_place(line)] = line
        while len(found) > MOST:
            found.pop(next((place for place, line in found.items() if line.kind == "done"), next(iter(found))))
        return Notes(tuple(found.values()))

    def block(self, tag: str, room: int) -> str:
        """The notes as a block of the prompt that has `room` tokens for messages; "" if there are none."""
        left = min(SIZE, int(room * SHARE)) - tokens.count(_framed(tag, []))
        shown: list[Note] = []
        for line in reversed(self.lines):
            size = tokens.count(str(line)) + 1
            if size <= left:
                left -= size
                shown.insert(0, line)
        order = list(KINDS)
        lines = [str(line) for line in sorted(shown, key=lambda line: order.index(line.kind))]
        return _framed(tag, lines) if lines else ""


def accepted(turn: Turn) -> Iterator[tuple[int, dict[str, Json]]]:
    """The patches that `note` took in a turn, with the numbers of their calls."""
    answers = {message.call_id: message.content for message in turn.messages[1:]}
    for call, seq in zip(turn.messages[0].calls, turn.call_seqs, strict=True):
        if call.name == NAME and isinstance(call.args, dict) and answers.get(call.id) == render("noted"):
            yield seq, call.args


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())


def pair(fact: str) -> tuple[str, str]:
    """The key and the value of `key = value`."""
    key, _, value = one_line(fact).partition("=")
    return key.strip(), value.strip()


def _written(patch: dict[str, Json]) -> Iterator[Note]:
    for kind in KINDS:
        for text in _texts(patch, kind):
            yield Note(kind, *(pair(text) if kind == "facts" else (text, text)))


def _texts(patch: dict[str, Json], kind: str) -> list[str]:
    given = patch.get(kind)  # checked when it was taken, but a log may come from elsewhere
    return [one_line(text) for text in given if isinstance(text, str)] if isinstance(given, list) else []


def _place(line: Note) -> tuple[str, str]:
    return ("facts" if line.kind == "facts" else "", line.key)


def _framed(tag: str, lines: list[str]) -> str:
    return "\n".join([render("notes", tag=tag), *lines, f"[/satchel {tag}]"])
