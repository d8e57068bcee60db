"""The context engine over a list of messages that somebody else keeps: the same messages, the same prompts.

No record of folds is needed. Each reply among the messages tells that a prompt was made there, so whoever reads them
again makes the same prompts, and with them the same folds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING

from satchel.memory.errors import PromptTooLarge, UnknownHandle
from satchel.memory.handles import ref, seq
from satchel.memory.records import Reply, Usage
from satchel.runtime.calibration import Calibration
from satchel.runtime.context import tokens
from satchel.runtime.context.context import MINIMUM, TAIL, Context, Overflow, Prompt, numbers
from satchel.runtime.context.controller import Controller, Rates
from satchel.runtime.context.past import Terms
from satchel.runtime.context.turn import Turn, turns
from satchel.runtime.mode import mode

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

GRAIN = 256
"""Tokens to which a fixed surface is rounded up, so that a system text that changes a little moves no fold."""

PAGES = 10**8
"""Number of the first page of old handles, far above those of the messages' texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What decides a conversation's prompts beside its messages; sizes in tokens, the ceiling in those of the model.

    `surface` are the tokens of system text and tool schemas, rounded up to `GRAIN`; `c` and `w` the fold prices.
    """

    mode: str
    ceiling: int
    reply_tokens: int
    surface: int
    model: str
    exact: bool
    c: float = Rates().c
    w: float = Rates().w

    def to_json(self) -> dict[str, Json]:
        """The setting as a graph's state keeps it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is remembered of the prompt that a reply answered: its size by our count and the ceiling it was made under.

    `input` is its size as the provider of `model` counted it, 0 if it did not tell.
    """

    model: str = ""
    counted: int = 0
    input: int = 0
    ceiling: int | None = None


def rounded(surface: int) -> int:
    """Tokens of a fixed surface, rounded up."""
    return -(-surface // GRAIN) * GRAIN


class Conversation:
    """Prompts of one conversation. `stamp` reads what its replies carry. Raises `PromptTooLarge` if nothing can fit."""

    def __init__(self, setting: Setting, salt: bytes, stamp: Callable[[Message], Stamp | None]) -> None:
        self.setting = setting
        self.calibration = Calibration(setting.model, setting.exact)
        self.growth = 0
        self.number = 0
        """The number of the next text; how many there are."""
        self.asked: tuple[object, ...] | None = None
        """What the newest prompt was made for, while no reply to it has come."""
        self._stamp = stamp
        self._salt = salt
        self._texts: dict[int, Json] = {}
        self._pages = PAGES
        self._made: Prompt | Overflow | None = None
        self._context = self._fresh()

    def _fresh(self) -> Context:
        setting, factor = self.setting, self.calibration.factor
        handle = cache(lambda number: ref(self._salt, number))
        room = int((setting.ceiling - setting.reply_tokens) / factor) - setting.surface - TAIL
        if room < 2 * MINIMUM:
            enough = int((setting.surface + 5 * MINIMUM) * factor) + setting.reply_tokens
            raise PromptTooLarge(
                f"system text and tool schemas take {setting.surface} tokens and the reply {setting.reply_tokens},"
                f" which leaves too little under the ceiling of {setting.ceiling};"
                f" raise context_limit to {enough} or more"
            )
        terms = Terms(handle, handle(0)[-5:], setting.surface, Controller(Rates(setting.c, setting.w)))
        return Context(
            mode(setting.mode).past(terms), system=(), tools=(), ceiling=self._beside(setting.ceiling),
            reply_tokens=setting.reply_tokens, tag=terms.tag, factor=factor,
        )  # fmt: skip

    def _beside(self, ceiling: int) -> int:
        """What a ceiling leaves beside the fixed surface, in tokens of the model."""
        return ceiling - int(self.setting.surface * self.calibration.factor)

    # ------------------------------------------------------------------ messages in

    def add(self, messages: Iterable[Message]) -> None:
        """Take in messages that follow those it has, whole turns, system messages left out."""
        for turn in turns(messages, self.number):
            if turn.messages[0].role == "assistant":
                self._replied(turn.messages[0])
            before = self._context.past.size()
            self._context.add(turn)
            self.growth = max(self.growth, self._context.past.size() - before)
            self._texts |= _texts(turn)
            self.number = max(*turn.seqs, *turn.call_seqs, -1) + 1
            self.asked = self._made = None

    def _replied(self, message: Message) -> None:
        """A reply was made here, to a prompt that folded what it had to fold."""
        stamp = self._stamp(message) or Stamp()
        if self.asked is None:
            with suppress(Overflow):
                self.prompt(ceiling=stamp.ceiling)
        reply = Reply(step=0, text="", model=stamp.model, usage=Usage(fresh=stamp.input), counted=stamp.counted)
        self.calibration = self.calibration.replied(reply)
        self._context.factor = self.calibration.factor
        self._context.ceiling = self._beside(self.setting.ceiling)

    # ------------------------------------------------------------------ prompts out

    @property
    def factor(self) -> float:
        """How many tokens of the model one of ours is at most."""
        return self.calibration.factor

    def estimate(self) -> int:
        """Tokens of the next prompt, at most, the fixed surface included."""
        return self._context.estimate() + self.setting.surface

    def prompt(self, *, ceiling: int | None = None, state: str = "", final: bool = False) -> Prompt:
        """The next prompt without its system text and tools; `recall` is its one tool, once it is needed.

        `ceiling` is lower than the setting's for a reserved answer that a budget can only just pay, else None. Asked
        again with the same words it gives the same prompt. Raises `Overflow` if nothing brings it under the ceiling.
        """
        asked = (ceiling, state, final)
        if self._made is None or asked != self.asked:
            self.asked = asked
            self._made = self._prompt(ceiling, state, final=final)
        if isinstance(self._made, Overflow):
            raise self._made
        return self._made

    def _prompt(self, ceiling: int | None, state: str, *, final: bool) -> Prompt | Overflow:
        room = None if ceiling is None else self._beside(ceiling)
        try:
            made = self._context.prompt(state=state, page_seq=self._pages, ceiling=room, final=final)
        except Overflow as overflow:
            return overflow
        for n, done in enumerate(made.folds):
            if done.page is not None:
                self._texts[self._pages + numbers(made.folds[:n])] = done.page
        self._pages += numbers(made.folds)
        return made

    # ------------------------------------------------------------------ texts again

    def text(self, handle: str) -> str:
        """The whole text behind a handle. Raises `UnknownHandle` if it names none of this conversation."""
        found = self._texts.get(seq(self._salt, handle))
        if found is None:
            raise UnknownHandle(f"{handle[:40]!r} names no text of this conversation; take handles from the prompt")
        return found if isinstance(found, str) else tokens.compact(found)

    def stored(self) -> list[tuple[str, str]]:
        """All texts, each behind its handle, the newest first; not the arguments of calls, and no index pages."""
        texts = sorted(((n, text) for n, text in self._texts.items() if isinstance(text, str)), reverse=True)
        return [(ref(self._salt, n), text) for n, text in texts]


def _texts(turn: Turn) -> Mapping[int, Json]:
    """Every text of a turn that can stand behind a handle, by its number; arguments of calls as they are."""
    contents = {number: message.content for message, number in zip(turn.messages, turn.seqs, strict=True)}
    calls = zip(turn.messages[0].calls, turn.call_seqs, strict=True)
    return contents | {number: call.args for call, number in calls}
