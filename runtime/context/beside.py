"""What stands beside the digest in blocks of their own: the model's notes, and the prose of a summariser.

Both are written anew at each fold, after the digest, so that what a provider has cached of it stays as it is. Prose is
one quoted line: a summariser has read the texts of tools, and may have been told by them what to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from satchel.memory.handles import HANDLE
from satchel.prompts import render
from satchel.runtime.context import tokens
from satchel.runtime.context.notes import Notes, accepted, one_line

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from satchel.runtime.context.turn import Turn

PROSE = 300
"""Tokens of a summariser's prose, at most."""

SHARE = 0.125
"""Share of the room for messages that the block of prose may take."""

LEAST = 64
"""Tokens of a block below which prose would say nothing."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The notes as they are, and since the last fold the blocks of notes and prose.

    `room` are the tokens that the prose takes, or may take as long as it has not come.
    """

    notes: Notes = field(default_factory=Notes)
    noted: str = ""
    prose: str = ""
    room: int = 0

    @property
    def text(self) -> str:
        """The blocks as they stand in the prompt."""
        return "\n".join(filter(None, (self.noted, self.prose)))

    @property
    def size(self) -> int:
        """Tokens that the blocks take or may take."""
        return (tokens.count(self.noted) + 1 if self.noted else 0) + self.room

    def after(self, turn: Turn) -> Beside:
        """With what the turn noted."""
        notes = self.notes
        for _, patch in accepted(turn):
            notes = notes.patched(patch)
        return self if notes is self.notes else replace(self, notes=notes)

    def folded(self, tag: str, room: int, *, prose: bool) -> Beside:
        """At a fold of a prompt with `room` tokens for messages: notes as they are, prose yet to come, if any will."""
        share = int(room * SHARE) if prose else 0
        return Beside(self.notes, self.notes.block(tag, room), "", min(PROSE, share) if share >= LEAST else 0)

    def again(self, tag: str, room: int) -> Beside:
        """At a fold that drops no turn, so that the prose still holds."""
        return replace(self, noted=self.notes.block(tag, room))

    def told(self, prose: str, tag: str, known: AbstractSet[str]) -> Beside:
        """With prose in the room left for it; what looks like a handle and is none of the `known` ones is no more."""
        said = HANDLE.sub(lambda found: found[0] if found[0] in known else found[0].replace(":", " "), prose)
        said = one_line("".join(c if c.isprintable() else " " for c in said))
        for most in range(self.room, 0, -16):
            block = "\n".join([render("prose", tag=tag), f"| {clipped(said, most)}", f"[/satchel {tag}]"])
            if said and tokens.count(block) < self.room:
                return replace(self, prose=block, room=tokens.count(block) + 1)
        return self.silent()

    def silent(self) -> Beside:
        """Without prose."""
        return replace(self, prose="", room=0)

    def hidden(self) -> Beside:
        """With nothing in the prompt, until the next fold."""
        return replace(self.silent(), noted="")


def clipped(text: str, most: int) -> str:
    """The first `most` tokens of a text."""
    ids = tokens.encode(text[: most * 16])
    return text if len(ids) <= most and len(text) <= most * 16 else tokens.decode(ids[:most])
