"""The strategy of the stateful mode: a digest of older turns, and the epoch, append-only since the last fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from satchel.runtime.context import tokens
from satchel.runtime.context.digest import FRAME, Digest, Lookup, fold
from satchel.runtime.context.ingest import arrive
from satchel.runtime.context.item import Item, items
from satchel.runtime.context.message import Message
from satchel.runtime.context.symbols import Lexicon, Sighting, names
from satchel.runtime.context.turn import Turn

if TYPE_CHECKING:
    from satchel.runtime.context.past import Terms

ROLE = tokens.OVERHEAD + 2
"""Tokens of a message of the user beside its content."""


VISIBLE = 0.05
"""Factor on the weight of a name that stands in the prompt anyway."""

SLACK = 1.1
"""Sizes of forms are estimates: what rows and handles need is given a tenth more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a thread's past holds just after a fold, bounded by the ceiling whatever the thread's length."""

    digest: Digest
    task: Turn | None
    epoch: tuple[tuple[Turn, tuple[Item, ...]], ...]
    lexicon: tuple[Sighting, ...]
    turns: int
    overpaid: float


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
        self._lexicon = Lexicon()
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
        self._lexicon.note(self._turns, _shown(turn), _used(turn))
        self._epoch.append((shown, made))
        if turn.is_user and self.digest.turns and self._messages[-1].role == "user":
            self._size -= tokens.count_message(self._messages[-1])
            self._messages[-1] = _joined(self._messages[-1], shown.messages[0])
            self._size += tokens.count_message(self._messages[-1])
        else:
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
        if cut == 0 and not self.digest.items:
            return False
        kept = self._epoch[cut:]
        new = [item for _, made in self._epoch[:cut] for item in made]
        turns = self._turns - sum(not turn.is_user for turn, _ in kept)
        task = self._task.size if self._task else 0
        free = room - task - sum(turn.size for turn, _ in kept) - ROLE
        visible = {name for turn, _ in kept for name in _shown(turn)}
        by = Lookup(
            self.terms.tag,
            self.terms.handle,
            lambda name: self._lexicon.weight(name, self._turns) * (VISIBLE if name in visible else 1.0),
        )
        for limit in self._limits([*self.digest.items, *new], room, free, deep=deep):
            digest = fold(self.digest, new, turns=turns, limit=limit, page_seq=page_seq, by=by)
            if digest:
                self._settle(digest, kept)
                return True
        return False

    def kept(self) -> Kept:
        """Its state just after a fold."""
        over = self.controller.overpaid
        return Kept(self.digest, self._task, tuple(self._epoch), self._lexicon.state(), self._turns, over)

    def restore(self, kept: Kept) -> None:
        """Be as the past was that gave `kept`."""
        self._task, self._turns = kept.task, kept.turns
        self._lexicon.restore(kept.lexicon)
        self._settle(kept.digest, list(kept.epoch))
        self.controller = replace(self.controller, overpaid=kept.overpaid)

    def _limits(self, every: Sequence[Item], room: int, free: int, *, deep: bool) -> Sequence[int]:
        """Tokens for the digest: its share, which leaves the epoch room to grow, or what rows and handles need.

        A deep fold leaves room for the next turn, unless the handles alone need it.
        """
        most = free - room // 4 if deep else free
        dense = sum((item.form("row", "list") or item.bare).size for item in every) + FRAME
        limit = max(min(int(room * self.SHARE), most - room // 8), min(int(dense * SLACK), most))
        return [n for n in ((limit, free) if deep else (limit,)) if n > 0]

    def _settle(self, digest: Digest, kept: list[tuple[Turn, tuple[Item, ...]]]) -> None:
        self.digest, self._epoch, self.handles = digest, kept, True
        self._pending = sum(item.forms[0].size for _, made in kept for item in made)
        self.controller = self.controller.folded()
        self._lexicon.forget({n for item in digest.items for n in item.names}.union(*(_shown(t) for t, _ in kept)))
        task = self._task.messages[0].content + "\n\n" if self._task else ""
        head = Message("user", task + digest.text)
        tokens.counted(head, tokens.count(task) + digest.size + ROLE)  # the digest was counted when it was made
        after = [m for turn, _ in kept for m in turn.messages]
        while after and after[0].role == "user":
            head = _joined(head, after.pop(0))
        self._messages = [head, *after]
        self._size = sum(map(tokens.count_message, self._messages))


def _shown(turn: Turn) -> tuple[str, ...]:
    """Names in what was said and in what tools gave."""
    return tuple(dict.fromkeys(name for message in turn.messages for name in names(message.content)))


def _used(turn: Turn) -> tuple[str, ...]:
    """Names in the arguments of calls."""
    calls = (call for message in turn.messages for call in message.calls)
    return tuple(dict.fromkeys(name for call in calls for name in names(tokens.compact(call.args))))


def _joined(first: Message, second: Message) -> Message:
    """Words of the user after words of the user, as one message: two in a row are not legal everywhere."""
    words = "\n\n" + second.content
    joined = Message("user", first.content + words)
    tokens.counted(joined, tokens.count_message(first) + tokens.count(words))
    return joined
