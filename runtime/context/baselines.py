"""Strategies that others ship, a few lines each, to be measured beside ours: what they drop is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message
from satchel.runtime.context.past import Keep
from satchel.runtime.context.turn import Turn

if TYPE_CHECKING:
    from satchel.runtime.context.past import Terms


class _Turns(Keep):
    """The transcript as whole turns, so that what is dropped leaves a legal chat."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._turns: list[Turn] = []

    def add(self, turn: Turn, room: int) -> None:  # noqa: ARG002 - the port gives every strategy the room
        """Append the turn and drop what the strategy drops."""
        self._turns.append(turn)
        self._turns = self._shortened(self._turns)
        self._messages = [m for kept in self._turns for m in kept.messages]
        self._size = sum(map(tokens.count_message, self._messages))

    def _shortened(self, turns: list[Turn]) -> list[Turn]:
        raise NotImplementedError


class Forget(_Turns):
    """Keep the first message and, above `most` messages, forget the older half of the rest.

    The amortised forgetting condenser of OpenHands with its figures of 2025: keep_first=1, max_size=40.
    """

    most = 40

    def _shortened(self, turns: list[Turn]) -> list[Turn]:
        if sum(len(turn.messages) for turn in turns) <= self.most:
            return turns
        left, kept = self.most // 2 - 1, list[Turn]()
        for turn in reversed(turns[1:]):
            if kept and left < len(turn.messages):
                break
            left -= len(turn.messages)
            kept.append(turn)
        return [turns[0], *reversed(kept)]


class Trim(_Turns):
    """The newest whole turns that fit in `most` tokens, the oldest dropped first, the task with them.

    LangChain's `trim_messages(strategy="last", include_system=True)`. Since a chat has to begin with the user, a
    placeholder stands where the task was.
    """

    most = 8_000
    opening = Message("user", "(earlier messages trimmed)")

    def _shortened(self, turns: list[Turn]) -> list[Turn]:
        left, kept = self.most, list[Turn]()
        for turn in reversed(turns):
            left -= turn.size
            if kept and left < 0:
                break
            kept.append(turn)
        return kept[::-1]

    def messages(self) -> Sequence[Message]:
        """The turns kept, with an opening where they do not begin with the user."""
        begins = bool(self._messages) and self._messages[0].role == "user"
        return self._messages if begins else [self.opening, *self._messages]

    def size(self) -> int:
        """Tokens of `messages()`."""
        return sum(map(tokens.count_message, self.messages()))


class Clear(Keep):
    """Above `most` tokens every result but the last `last` becomes a placeholder, in one sweep.

    The context edit `clear_tool_uses` of Anthropic's API and LangChain's `ClearToolUsesEdit`, with a trigger that fits
    tasks of this size (theirs is 100,000 tokens, keep 3).
    """

    most, last = 8_000, 3

    def add(self, turn: Turn, room: int) -> None:
        """Append the turn, and clear older results if that is too much."""
        super().add(turn, room)
        if self._size <= self.most:
            return
        results = [n for n, m in enumerate(self._messages) if m.role == "tool"]
        for n in results[: -self.last]:
            self._messages[n] = replace(self._messages[n], content="[cleared]")
        self._size = sum(map(tokens.count_message, self._messages))
