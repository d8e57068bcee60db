"""What stands beside the digest in blocks of their own: the model's notes, and the prose of a summariser.

Both are written anew at each fold, after the digest, so that what a provider has cached of it stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from satchel.runtime.context import tokens
from satchel.runtime.context.notes import Notes, accepted

if TYPE_CHECKING:
    from satchel.runtime.context.turn import Turn


@dataclass(frozen=True, slots=True)
class Beside:
    """The notes as they are, and the blocks that stand in the prompt since the last fold, with their tokens."""

    notes: Notes = field(default_factory=Notes)
    text: str = ""
    size: int = 0

    def after(self, turn: Turn) -> Beside:
        """With what the turn noted."""
        notes = self.notes
        for _, patch in accepted(turn):
            notes = notes.patched(patch)
        return self if notes is self.notes else replace(self, notes=notes)

    def folded(self, tag: str, room: int) -> Beside:
        """At a fold of a prompt with `room` tokens for messages."""
        text = self.notes.block(tag, room)
        return replace(self, text=text, size=tokens.count(text) + 1 if text else 0)
