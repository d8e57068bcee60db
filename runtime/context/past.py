"""How the past is shown: strategies with one shape, each a few lines over the same turns.

A strategy chooses what goes first; it never decides whether the ceiling holds. That promise is `Context`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from satchel.runtime.context import tokens
from satchel.runtime.context.controller import Controller
from satchel.runtime.context.digest import FRAME, Digest, fold
from satchel.runtime.context.ingest import arrive
from satchel.runtime.context.item import Item, items
from satchel.runtime.context.message import Message
from satchel.runtime.context.turn import Turn

Handle = Callable[[int], str]

ROLE = tokens.OVERHEAD + 2
"""Tokens of a message of the user beside its content."""

SLACK = 1.1
"""Sizes of forms are estimates: what rows and handles need is given a tenth more."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a thread's context is bound to: handles, the runtime's tag, tokens of the fixed surface, the fold prices."""

    handle: Handle
    tag: str
    fixed: int
    controller: Controller = field(default_factory=Controller)


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


class Fold:
    """Digest and epoch: append-only turns since the last fold, everything older as a digest in the first message."""

    SHARE = 0.45
    """Share of the room that the digest may take."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.controller = terms.controller
        self.digest = Digest()
        self.handles = False
        self._task: Turn | None = None
        self._epoch: list[tuple[Turn, tuple[Item, ...]]] = []
        self._messages: list[Message] = []
        self._size = 0
        self._turns = 0
        self._pending = 0

    def add(self, turn: Turn, room: int) -> None:
        """Preview what is too large, append, and work out the items that a fold would make of the turn."""
        shown = arrive(turn, room, self.terms.handle)
        self.handles |= shown is not turn
        if self._task is None and turn.is_user:
            self._task = shown
            self._messages += shown.messages
            self._size += shown.size
            return
        self._turns += not turn.is_user
        made = tuple(items(shown, turn, self._turns))
        self._epoch.append((shown, made))
        self._messages += shown.messages
        self._size += shown.size
        self._pending += sum(item.forms[0].size for item in made)

    def messages(self) -> Sequence[Message]:
        """Task with digest, then the epoch."""
        return self._messages

    def size(self) -> int:
        """Tokens of the messages."""
        return self._size

    def _newest(self) -> int:
        """Where the newest turn begins: the last reply with its results, and what the user has said since."""
        starts = [n for n, (turn, _) in enumerate(self._epoch) if not turn.is_user]
        return starts[-1] if starts else max(0, len(self._epoch) - 1)

    def _outlook(self) -> tuple[int, int]:
        """Tokens that a fold would touch, and what would be left of them."""
        newest = self._newest()
        kept = sum(turn.size for turn, _ in self._epoch[newest:])
        history = self._size - kept - (self._task.size if self._task else 0)
        saved = sum(item.forms[0].size for _, made in self._epoch[newest:] for item in made)
        return history, self.digest.size + self._pending - saved

    def due(self) -> bool:
        """Whether the controller wants a fold."""
        history, folded = self._outlook()
        prefix = 0 if self.handles else self.terms.fixed
        return self._newest() > 0 and self.controller.due(history, folded, prefix)

    def sent(self) -> None:
        """Tell the controller what the prompt carried."""
        self.controller = self.controller.seen(*self._outlook())

    def fold(self, room: int, page_seq: int, *, deep: bool = False) -> bool:
        """Drop all turns but the newest into the digest; `deep` drops the newest, too."""
        cut = len(self._epoch) if deep else self._newest()
        task = self._task.size if self._task else 0
        kept = self._epoch[cut:]
        free = room - task - sum(turn.size for turn, _ in kept) - ROLE
        new = [item for _, made in self._epoch[:cut] for item in made]
        limit = free if deep else self._limit([*self.digest.items, *new], room, free)
        turns = self._turns - sum(not turn.is_user for turn, _ in kept)
        if cut == 0 or limit <= 0:
            return False
        digest = fold(
            self.digest, new, turns=turns, limit=limit, tag=self.terms.tag, handle=self.terms.handle, page_seq=page_seq
        )
        if digest is None:
            return False
        self._settle(digest, kept)
        return True

    def _limit(self, every: Sequence[Item], room: int, free: int) -> int:
        """Tokens for the digest: its share, which leaves the epoch room to grow, or what rows and handles need."""
        dense = sum((item.form("user", "row", "list") or item.bare).size for item in every) + FRAME
        return max(min(int(room * self.SHARE), free - room // 8), min(int(dense * SLACK), free))

    def _settle(self, digest: Digest, kept: list[tuple[Turn, tuple[Item, ...]]]) -> None:
        self.digest, self._epoch, self.handles = digest, kept, True
        self._pending = sum(item.forms[0].size for _, made in kept for item in made)
        self.controller = self.controller.folded()
        task = self._task.messages[0].content + "\n\n" if self._task else ""
        after = [m for turn, _ in kept for m in turn.messages]
        content, size = task + digest.text, tokens.count(task) + digest.size
        while after and after[0].role == "user":  # two messages of the user in a row are not legal everywhere
            words = "\n\n" + after.pop(0).content
            content, size = content + words, size + tokens.count(words)
        head = Message("user", content)
        tokens.counted(head, size + ROLE)  # the digest was counted when it was made
        self._messages = [head, *after]
        self._size = sum(map(tokens.count_message, self._messages))
