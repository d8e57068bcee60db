"""What a prefix-caching provider would read from its cache: the longest common prefix with the request before.

And a watch over what it did read: less than half of that over several calls is worth an alarm.

Tool schemas come first, then the messages in order, token by token inside the first one that differs. Every prompt is
compared with the one before it in the same conversation alone, so a bill does not depend on what else is running.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate, islice
from operator import is_
from typing import TYPE_CHECKING

from satchel.runtime.context import tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

HEAD = 512
"""Characters of the system text and of the first words of the user that tell conversations apart."""

DIGEST = "\n\n[satchel "
"""Where the digest begins in the first message of the user."""

CALLS, SHARE = 5, 0.5
"""Calls over which the watch looks back, and the share of the prediction below which it gives alarm."""


@dataclass(frozen=True, slots=True)
class Split:
    """The tokens of a prompt: those of the prefix that was sent before, and the rest."""

    cached: int
    rest: int


@dataclass(frozen=True, slots=True)
class _Request:
    """A prompt that was sent; `ends[n]` is the number of tokens up to the n-th message, tool schemas included."""

    tools: Sequence[Json]
    messages: tuple[Message, ...]
    ends: list[int]


class Meter:
    """Measures prompts; remembers the last one of each of the `kept` latest conversations.

    A conversation is known by its `key`: its system text and the first words of the user. The tool schemas are no part
    of that, since they change within a conversation; what they share is counted, as a cache of tokens would.
    """

    def __init__(self, *, kept: int = 64, key: Callable[[Sequence[Message]], tuple[str, ...]] | None = None) -> None:
        self._kept = kept
        self._key = key or conversation
        self._last: OrderedDict[tuple[str, ...], _Request] = OrderedDict()

    def measure(self, messages: Sequence[Message], tools: Sequence[Json]) -> Split:
        """Split the tokens of a prompt, and remember it as its conversation's last."""
        key = self._key(messages)
        old = self._last.pop(key, None)
        new, cached = _compare(old, tuple(messages), tools)
        self._last[key] = new
        if len(self._last) > self._kept:
            self._last.popitem(last=False)
        return Split(cached, new.ends[-1] - cached)


@dataclass(frozen=True, slots=True)
class Watch:
    """Cached tokens as predicted and as billed, of the run and of its latest calls; `alarm` is a sentence, once given.

    Calls of which nothing is predicted do not count.
    """

    predicted: int = 0
    billed: int = 0
    latest: tuple[tuple[int, int], ...] = ()
    alarm: str = ""

    def saw(self, predicted: int, billed: int) -> Watch:
        """After a call of which so many input tokens should have been, and were, billed as cached."""
        if not predicted:
            return self
        latest = (*self.latest, (predicted, billed))[-CALLS:]
        wanted, got = (sum(column) for column in zip(*latest, strict=True))
        late = len(latest) == CALLS and got < SHARE * wanted
        alarm = (
            f"of {wanted:,} tokens that should have come from the provider's cache in the last {CALLS} calls {got:,}"
            " did: it caches less than its rules say, or something changes the beginning of the prompt"
        )
        return Watch(self.predicted + predicted, self.billed + billed, latest, self.alarm or (alarm if late else ""))


def conversation(messages: Sequence[Message]) -> tuple[str, ...]:
    """What tells one conversation from another: how the system text and the first words of the user begin."""
    first = next((n for n, message in enumerate(messages) if message.role == "user"), 0)
    words = (message.content for message in messages[: first + 1])
    return tuple(text.partition(DIGEST)[0][:HEAD] for text in words)


def _compare(old: _Request | None, messages: tuple[Message, ...], tools: Sequence[Json]) -> tuple[_Request, int]:
    if old is None:
        return _Request(tools, messages, _ends([tokens.count_tools(tools)], messages)), 0
    if tools is not old.tools and list(tools) != list(old.tools):
        ids = _encode_tools(old.tools), _encode_tools(tools)
        return _Request(tools, messages, _ends([tokens.count_tools(tools)], messages)), _common(*ids)
    same = next((n for n, equal in enumerate(map(is_, old.messages, messages)) if not equal), None)
    same = min(len(old.messages), len(messages)) if same is None else same
    for a, b in zip(old.messages[same:], messages[same:], strict=False):
        if a is not b and tokens.render(a) != tokens.render(b):
            break
        same += 1
    cached = old.ends[same]
    if same < min(len(old.messages), len(messages)):
        cached += _common(tokens.encode_message(old.messages[same]), tokens.encode_message(messages[same]))
    return _Request(tools, messages, _ends(old.ends[: same + 1], messages[same:])), cached


def _encode_tools(tools: Sequence[Json]) -> list[int]:
    return tokens.encode(tokens.render_tools(tools)) if tools else []


def _ends(known: list[int], messages: tuple[Message, ...]) -> list[int]:
    known.extend(islice(accumulate(map(tokens.count_message, messages), initial=known[-1]), 1, None))
    return known


def _common(a: list[int], b: list[int]) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
