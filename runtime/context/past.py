"""How the past is shown: strategies with one shape, each a few lines over the same turns.

A strategy chooses what goes first; it never decides whether the ceiling holds. That promise is `Context`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from satchel.runtime.context import tokens
from satchel.runtime.context.controller import Controller
from satchel.runtime.context.digest import Digest
from satchel.runtime.context.message import Message
from satchel.runtime.context.turn import Turn

if TYPE_CHECKING:
    from satchel.runtime.context.folding import Kept

Handle = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a thread's context is bound to: handles, the runtime's tag, tokens of the fixed surface, the fold prices.

    `every` is after how many turns to fold, whatever the prices say; None leaves it to them. `notes` says that calls of
    `note` are the model's own, `prose` that a summariser's words are to come after folds.
    """

    handle: Handle
    tag: str
    fixed: int
    controller: Controller = field(default_factory=Controller)
    every: int | None = None
    notes: bool = False
    prose: bool = False


class Past(Protocol):
    """A strategy over the turns of one thread."""

    handles: bool
    digest: Digest

    def add(self, turn: Turn, room: int) -> None:
        """Take in a turn; `room` is what the ceiling leaves for messages, in tokens."""

    def messages(self) -> Sequence[Message]:
        """The past as messages."""

    def size(self) -> int:
        """Tokens of `messages()`."""

    def due(self) -> bool:
        """Whether it would pay to fold before the next prompt."""

    def fold(self, room: int, page_seq: int, *, deep: bool = False) -> bool:
        """Shrink to fit in `room`, `deep` giving up all but the newest texts' handles; False if nothing was gained."""

    def sent(self) -> None:
        """A prompt with these messages was sent."""

    def tell(self, prose: str) -> None:
        """What a summariser said of the fold that was just done, "" if nothing."""

    def kept(self) -> Kept | None:
        """Its state just after a fold; None for a strategy that does not fold."""

    def restore(self, kept: Kept) -> None:
        """Be as the past was that gave `kept`."""


class Keep:
    """The whole transcript, steady and append-only: what a stateless client sends again each turn."""

    handles = False
    digest = Digest()

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._messages: list[Message] = []
        self._size = 0

    def add(self, turn: Turn, room: int) -> None:  # noqa: ARG002 - the port gives every strategy the room
        """Append the turn as it is."""
        self._messages += turn.messages
        self._size += turn.size

    def messages(self) -> Sequence[Message]:
        """All messages."""
        return self._messages

    def size(self) -> int:
        """Tokens of all messages."""
        return self._size

    def due(self) -> bool:
        """Never."""
        return False

    def fold(self, room: int, page_seq: int, *, deep: bool = False) -> bool:  # noqa: ARG002 - as above
        """Never: nothing is truncated."""
        return False

    def sent(self) -> None:
        """Nothing to remember."""

    def tell(self, prose: str) -> None:
        """Nothing is folded, so nothing was summed up."""

    def kept(self) -> None:
        """Nothing: it is the whole thread."""

    def restore(self, kept: Kept) -> None:
        """Never: there is no state to be restored."""


class Window(Keep):
    """An ablation: the task and the last `last` turns; what is older is gone."""

    def __init__(self, terms: Terms, *, last: int = 3) -> None:
        super().__init__(terms)
        self._last = last
        self._head: tuple[Message, ...] = ()
        self._turns: list[Turn] = []

    def add(self, turn: Turn, room: int) -> None:  # noqa: ARG002 - as above
        """Keep the first user message aside, and of the rest the last turns."""
        if not self._head and turn.is_user:
            self._head = turn.messages
        else:
            self._turns = [*self._turns, turn][-self._last :]
        self._messages = [*self._head, *(m for t in self._turns for m in t.messages)]
        self._size = sum(map(tokens.count_message, self._messages))


class Mask(Keep):
    """An ablation: results before the last `last` become a placeholder (observation masking, arXiv 2508.21433)."""

    def __init__(self, terms: Terms, *, last: int = 10) -> None:
        super().__init__(terms)
        self._last = last
        self._results: list[int] = []

    def add(self, turn: Turn, room: int) -> None:
        """Append the turn and mask the results that have become old."""
        start = len(self._messages)
        super().add(turn, room)
        self._results += [start + n for n, m in enumerate(turn.messages) if m.role == "tool"]
        while len(self._results) > self._last:
            self._mask(self._results.pop(0))

    def _mask(self, index: int) -> None:
        old = self._messages[index]
        new = replace(old, content=f"(old result left out: {old.content.count(chr(10)) + 1} lines)")
        self._size += tokens.count_message(new) - tokens.count_message(old)
        self._messages[index] = new
