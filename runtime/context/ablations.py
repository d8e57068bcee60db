"""The stateful strategy with one part taken out, so that what each part saves can be measured."""

from __future__ import annotations

from satchel.runtime.context.folding import Fold
from satchel.runtime.context.ingest import arrive, slimmed
from satchel.runtime.context.past import Keep
from satchel.runtime.context.turn import Turn


class Ingest(Keep):
    """Slimming and previews on arrival and nothing else: the whole transcript, its large results shortened once.

    Without a ceiling there is no room to share out, so previews are those of a room of `most` tokens.
    """

    most = 8_000

    def add(self, turn: Turn, room: int) -> None:
        """Append the turn as it arrives."""
        slim = slimmed(turn)
        shown = arrive(slim, min(room, self.most), self.terms.handle)
        self.handles |= shown is not slim
        super().add(shown, room)


class Rewrite(Fold):
    """A fold before every prompt: the bounded summary is written anew each turn, and nothing is append-only."""

    def due(self) -> bool:
        """Always."""
        return True

    def _appends(self, block: int, room: int) -> bool:  # noqa: ARG002 - the base class names them
        """Never."""
        return False
