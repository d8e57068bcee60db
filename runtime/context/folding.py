"""The strategy of the stateful mode: a digest of older turns, and the epoch, append-only since the last fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from satchel.memory.handles import HANDLE
from satchel.runtime.context import tokens
from satchel.runtime.context.beside import Beside
from satchel.runtime.context.block import FRAME, HEADERS, Lookup
from satchel.runtime.context.controller import Controller, Outlook
from satchel.runtime.context.digest import USER, Digest, append, fold, merged
from satchel.runtime.context.epoch import SLACK, Taken, block_size, newest
from satchel.runtime.context.ingest import SHARE, arrive, slimmed
from satchel.runtime.context.item import Item, items
from satchel.runtime.context.message import Message
from satchel.runtime.context.notes import accepted
from satchel.runtime.context.symbols import Lexicon, Sighting, names, words
from satchel.runtime.context.turn import Turn

if TYPE_CHECKING:
    from satchel.runtime.context.past import Terms

ROLE = tokens.OVERHEAD + 2
"""Tokens of a message of the user beside its content."""

ENTRY = 180
"""Tokens of the tool `recall`, which the first fold that shows handles brings into every prompt."""

VISIBLE = 0.05
"""Factor on the weight of a name that stands in the prompt anyway."""


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a thread's past holds just after a fold, bounded by the ceiling whatever the thread's length."""

    digest: Digest
    task: Turn | None
    epoch: tuple[tuple[Turn, tuple[Item, ...]], ...]
    lexicon: tuple[Sighting, ...]
    turns: int
    controller: Controller
    handles: bool
    beside: Beside = field(default_factory=Beside)


MOST, ANEW = 0.84, 0.62
"""Share of the room that the digest may take, and to which it is brought down when it is written anew.

Measured on recorded coding runs at +12000: 0.72 lost a point of recall and seven of what is older than 20 calls, 0.88
gained nothing; 0.66 instead of 0.62 cost 1 % more dollars.
"""


class Fold:
    """Digest and epoch: append-only turns since the last fold, everything older as a digest in the first message."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.controller = terms.controller
        self.digest = Digest()
        self.handles = False
        self._task: Turn | None = None
        self._epoch: list[Taken] = []
        self._lexicon = Lexicon()
        self._beside = Beside()
        self._messages: list[Message] = []
        self._size = 0
        self._turns = 0
        self._room = 0

    def add(self, turn: Turn, room: int) -> None:
        """Preview what is too large, append, and work out the items that a fold would make of the turn."""
        slim = slimmed(turn)
        shown = arrive(slim, room, self.terms.handle)
        if shown is not slim and not self._worth(slim, shown, room):
            shown = slim
        self.handles |= shown is not slim
        self._room = room
        if self._task is None and turn.is_user:
            self._task = shown
            self._messages += shown.messages
            self._size += shown.size
            return
        self._turns += not turn.is_user
        made = tuple(items(shown, turn, self._turns))
        if self.terms.notes and (own := {seq for seq, _ in accepted(turn)}):
            self._beside = self._beside.after(turn)
            made = tuple(item.alone() if item.parts[0] in own else item for item in made)
        self._lexicon.note(self._turns, _shown(turn), _used(turn))
        self._epoch.append(Taken.of(shown, made))
        if turn.is_user and self.digest.turns and self._messages[-1].role == "user":
            self._size -= tokens.count_message(self._messages[-1])
            self._messages[-1] = _joined(self._messages[-1], shown.messages[0])
            self._size += tokens.count_message(self._messages[-1])
        else:
            self._messages += shown.messages
            self._size += shown.size

    def _worth(self, turn: Turn, shown: Turn, room: int) -> bool:
        """Whether to show a turn by previews: the first ones bring `recall`, and all of the prompt is written again.

        What does not fit otherwise, and what a tool has bounded, always is.
        """
        if self.handles or any(turn.caps) or turn.size > int(room * SHARE) or self._size + turn.size > room:
            return True
        rates = self.controller.rates
        return rates.w * (turn.size - shown.size) >= (rates.w - rates.c) * (self.terms.fixed + self._size)

    def messages(self) -> Sequence[Message]:
        """Task with digest, then the epoch."""
        return self._messages

    def size(self) -> int:
        """Tokens of the messages."""
        return self._size

    def _outlook(self) -> Outlook:
        cut = newest(self._epoch)
        old = self._epoch[:cut]
        kept = sum(taken.size for taken in self._epoch[cut:])
        history = self._size - kept - (self._task.size if self._task else 0)
        block = block_size(old)
        if self._appends(block, self._room):
            return Outlook(history, self.digest.size + block, block)
        anew = min(int(ANEW * self._room), (self.digest.size or FRAME) + block)
        brings = not self.handles and any(taken.behind for taken in old)  # the tool `recall`, before all else
        return Outlook(history, anew + brings * ENTRY, anew + brings * self.terms.fixed, brings, self._turns)

    def _appends(self, block: int, room: int) -> bool:
        return bool(self.digest.items) and self.digest.size + block <= int(MOST * room)

    def due(self) -> bool:
        """Whether the controller wants a fold, or so many turns can be dropped that one was asked for."""
        cut = newest(self._epoch)
        if self.terms.every is not None:
            return sum(not taken.turn.is_user for taken in self._epoch[:cut]) >= self.terms.every
        return cut > 0 and self.controller.due(self._outlook())

    def sent(self) -> None:
        """Tell the controller what the prompt carried."""
        self.controller = self.controller.seen(self._outlook())

    def fold(self, room: int, page_seq: int, *, deep: bool = False) -> bool:
        """Drop all turns but the newest into the digest; `deep` drops the newest, too."""
        cut = len(self._epoch) if deep else newest(self._epoch)
        if cut == 0 and not self.digest.items:
            return False
        old, kept = self._epoch[:cut], self._epoch[cut:]
        new = [item for taken in old for item in taken.items]
        turns = self._turns - sum(not taken.turn.is_user for taken in kept)
        task = self._task.size if self._task else 0
        was, terms = self._beside, self.terms
        beside = was.folded(terms.tag, room, prose=terms.prose) if new or deep else was.again(terms.tag, room)
        visible = {name for taken in kept for name in _shown(taken.turn)}
        seen, now = self._lexicon, self._turns
        by = Lookup(terms.tag, terms.handle, lambda n: seen.weight(n, now) * (VISIBLE if n in visible else 1.0))
        for shown in (beside, beside.hidden()) if deep and beside.size else (beside,):
            free = room - task - sum(taken.size for taken in kept) - ROLE - shown.size
            if not deep and self._appends(block := block_size(old), min(room, int((free - room // 8) / MOST))):
                digest = append(self.digest, new, turns=turns, limit=block + HEADERS, by=by)
                if digest:
                    self._settle(self._shorter(digest, page_seq, by), kept, shown)
                    return True
            for limit in self._limits([*self.digest.items, *new], room, free, deep=deep):
                digest = fold(self.digest, new, turns=turns, limit=limit, page_seq=page_seq, by=by)
                if digest:
                    self.controller = self.controller.renewed()
                    self._settle(digest, kept, shown)
                    return True
        return False

    def _shorter(self, longer: Digest, page_seq: int, by: Lookup) -> Digest:
        """A digest that has grown by a block, or all of it as one, if that pays."""
        one = merged(longer, page_seq=page_seq, by=by)
        if one is None:
            return longer
        idle = longer.size - one.size
        worn = self.controller.worn(idle, self.digest.size - idle)
        self.controller = self.controller.renewed(0 if worn else idle)
        return one if worn else longer

    def tell(self, prose: str) -> None:
        """Show a summariser's words until the next fold."""
        known = set(HANDLE.findall(self.digest.text))
        self._settle(self.digest, self._epoch, self._beside.told(prose, self.terms.tag, known))

    def kept(self) -> Kept:
        """Its state just after a fold."""
        epoch = tuple((taken.turn, taken.items) for taken in self._epoch)
        state = self._lexicon.state()
        return Kept(self.digest, self._task, epoch, state, self._turns, self.controller, self.handles, self._beside)

    def restore(self, kept: Kept) -> None:
        """Be as the past was that gave `kept`."""
        self._task, self._turns, self.handles = kept.task, kept.turns, kept.handles
        self._lexicon.restore(kept.lexicon)
        self._settle(kept.digest, [Taken.of(*one) for one in kept.epoch], kept.beside)
        self.controller = kept.controller

    def _limits(self, every: Sequence[Item], room: int, free: int, *, deep: bool) -> Sequence[int]:
        """Tokens for the digest: its share, which leaves the epoch room to grow, or what rows and handles need.

        A deep fold leaves room for the next turn, unless the handles alone need it.
        """
        most = free - room // 4 if deep else free
        dense = sum((item.form("row", "list") or item.bare).size for item in every) + FRAME
        dense += min(sum(form.size for item in every if (form := item.form("user"))), int(room * USER))
        limit = max(min(int(room * ANEW), most - room // 8), min(int(dense * SLACK), most))
        return [n for n in ((limit, free) if deep else (limit,)) if n > 0]

    def _settle(self, digest: Digest, kept: list[Taken], beside: Beside) -> None:
        self.digest, self._epoch, self._beside = digest, kept, beside
        self.handles |= digest.handles or self.terms.notes
        self.controller = self.controller.folded()
        self._lexicon.forget(
            {n.text for item in digest.items for n in item.names}.union(*(_shown(t.turn) for t in kept))
        )
        task = self._task.messages[0].content + "\n\n" if self._task else ""
        head = Message("user", "\n".join(filter(None, (task + digest.text, beside.text))))
        tokens.counted(head, tokens.count(task) + digest.size + beside.size + ROLE)  # the digest is not counted again
        after = [m for taken in kept for m in taken.turn.messages]
        while after and after[0].role == "user":
            head = _joined(head, after.pop(0))
        self._messages = [head, *after]
        self._size = sum(map(tokens.count_message, self._messages))


def _shown(turn: Turn) -> tuple[str, ...]:
    """Names in what was said and in what tools gave."""
    return tuple(dict.fromkeys(name.text for message in turn.messages for name in names(message.content)))


def _used(turn: Turn) -> tuple[str, ...]:
    """Names in the arguments of calls."""
    calls = (call for message in turn.messages for call in message.calls)
    return tuple(dict.fromkeys(name.text for call in calls for name in names(words(call.args))))


def _joined(first: Message, second: Message) -> Message:
    """Words of the user after words of the user, as one message: two in a row are not legal everywhere."""
    words = "\n\n" + second.content
    joined = Message("user", first.content + words)
    tokens.counted(joined, tokens.count_message(first) + tokens.count(words))
    return joined
