"""One thread's context: turns in, prompts out, the ceiling kept whatever arrives.

    [system + tool schemas][task][digest: frozen since the last fold][epoch: append-only] | [tail: latest state]

The same turns give the same bytes. Until something is previewed or folded, the prompt is the plain transcript.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from satchel.memory.errors import PromptTooLarge
from satchel.prompts import render
from satchel.runtime.context import recall, tokens
from satchel.runtime.context.message import Message

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.past import Past
    from satchel.runtime.context.turn import Turn

TAIL = 80
"""Tokens set aside for the tail."""


class Overflow(Exception):
    """The prompt cannot be brought under the ceiling."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A fold that was done for a prompt: enough to do it again, byte for byte, from the same turns."""

    room: int
    deep: bool
    page: str | None
    certificate: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent for one model call, its size in tokens, the folds it took to get there, and what these saved.

    `surface` are the tokens of it that are system text and tool schemas.
    """

    messages: tuple[Message, ...]
    tools: tuple[Json, ...]
    size: int
    folds: tuple[Folded, ...] = ()
    surface: int = 0
    saved: int = 0


class Context:
    """The context of one thread under a ceiling of tokens, everything counted, `reply_tokens` of it for the reply.

    The ceiling is in tokens of the model. `factor` is how many of those one of ours is at most, and `cap` the most
    tokens of ours that a prompt may have beside that; both change with what the provider reports. `own` are built-in
    tools that come with `recall`, once something is behind a handle.
    """

    def __init__(
        self,
        past: Past,
        *,
        system: Sequence[Message],
        tools: Sequence[Json],
        ceiling: int,
        reply_tokens: int,
        tag: str,
        factor: float = 1.0,
        own: Sequence[Json] = (),
    ) -> None:
        self.past = past
        self.ceiling = ceiling
        self.factor = factor
        self.cap: int | None = None
        self._reply = reply_tokens
        self._tag = tag
        self._system = tuple(system)
        self._tools = tuple(tools)
        self._with_own = (*self._tools, recall.schema(), *own)
        self._plain, self._fixed = fixed(self._system, self._tools), fixed(self._system, self._with_own)
        if self.room(ceiling) < MINIMUM:
            enough = int((self._fixed + 4 * MINIMUM) * factor) + reply_tokens
            raise PromptTooLarge(
                f"system text and tool schemas take {self._fixed} tokens and the reply {reply_tokens}, which leaves too"
                f" little under the ceiling of {ceiling}; raise context_limit to {enough} or more,"
                " take a model with a larger window, or shorten them"
            )

    def room(self, ceiling: int) -> int:
        """Tokens of ours for messages under a ceiling."""
        return self.most(ceiling) - self._fixed - TAIL

    def most(self, ceiling: int) -> int:
        """The most tokens of ours that a prompt may have under a ceiling."""
        most = int((ceiling - self._reply) / self.factor)
        return most if self.cap is None else min(most, self.cap)

    def add(self, turn: Turn) -> None:
        """Take in a turn."""
        self.past.add(turn, self.room(self.ceiling))

    def estimate(self) -> int:
        """Tokens of the next prompt, at most."""
        return min(self._fixed + TAIL + self.past.size(), self.most(self.ceiling))

    def prompt(self, *, state: str = "", page_seq: int = 0, ceiling: int | None = None, final: bool = False) -> Prompt:
        """The prompt for the next model call, folding first if it pays or if it must.

        `state` is the latest state for the tail, shown once anything has been folded and for the reserved answer
        (`final`). `page_seq` numbers the first page of old handles, should one be made; a page and its fold take a
        number each. Raises `Overflow` if nothing brings it under the ceiling.
        """
        whole = self.past.size()
        folds = self.fold(page_seq=page_seq, ceiling=ceiling)
        if self.past.size() > (room := self._room(ceiling)):
            raise Overflow(f"{self.past.size()} tokens of messages, room for {room}")
        self.past.sent()
        saved = whole - self.past.size()
        return self._assemble(state if final or self.past.digest.turns else "", tuple(folds), saved)

    def fold(self, *, page_seq: int = 0, ceiling: int | None = None) -> list[Folded]:
        """Fold if it pays or if it must. Just after, a prompt of the same ceiling folds nothing."""
        room, folds = self._room(ceiling), list[Folded]()
        if self.past.due():
            self._fold(folds, room, page_seq)
        for deep in (False, True):
            if self.past.size() > room:
                self._fold(folds, room, page_seq + numbers(folds), deep=deep)
        return folds

    def _room(self, ceiling: int | None) -> int:
        return self.room(min(ceiling or self.ceiling, self.ceiling))

    def refold(self, done: Folded, page_seq: int) -> None:
        """Do a recorded fold again."""
        self.past.fold(done.room, page_seq, deep=done.deep)

    def resent(self) -> None:
        """A recorded prompt was sent."""
        self.past.sent()

    def _fold(self, folds: list[Folded], room: int, page_seq: int, *, deep: bool = False) -> None:
        if self.past.fold(room, page_seq, deep=deep):
            digest = self.past.digest
            folds.append(Folded(room, deep, digest.page, digest.certificate))

    def _assemble(self, state: str, folds: tuple[Folded, ...], saved: int) -> Prompt:
        messages = (*self._system, *self.past.messages())
        asks = self.past.handles
        tools, surface = (self._with_own, self._fixed) if asks else (self._tools, self._plain)
        size = surface + self.past.size()
        if state:
            tail = f"\n\n{render('state', tag=self._tag, state=state)}"
            last = replace(messages[-1], content=messages[-1].content + tail, volatile=len(tail))
            messages = (*messages[:-1], last)
            size += tokens.count(tail)
        return Prompt(messages, tools, size, folds, surface, saved)


MINIMUM = 256
"""Tokens for messages below which no thread could go on."""


def numbers(folds: Sequence[Folded]) -> int:
    """Positions in the log that folds take: one each, and one for each page."""
    return sum(1 + (done.page is not None) for done in folds)


def fixed(system: Sequence[Message], tools: Sequence[Json]) -> int:
    """Tokens of the fixed surface: system text and tool schemas."""
    return sum(map(tokens.count_message, system)) + tokens.count_tools(tools)
