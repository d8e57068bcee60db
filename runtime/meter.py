"""What a prefix-caching provider would read from its cache: the longest common prefix with the request before.

Tool schemas come first, then the messages in order, token by token inside the first one that differs. Every prompt is
compared with the one before it in the same conversation alone, so a bill does not depend on what else is running.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate, islice
from operator import is_
from typing import TYPE_CHECKING

from satchel.runtime.context import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

HEAD = 512
"""Characters of the system text and of the first words of the user that tell conversations apart."""

DIGEST = "\n\n[satchel "
"""Where the digest begins in the first message of the user."""


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

    A conversation is known by its system text and the first words of the user. The tool schemas are no part of that,
    since they change within a conversation; what they share is counted, as a cache of tokens would.
    """

    def __init__(self, *, kept: int = 64) -> None:
        self._kept = kept
        self._last: OrderedDict[tuple[str, ...], _Request] = OrderedDict()

    def measure(self, messages: Sequence[Message], tools: Sequence[Json]) -> Split:
        """Split the tokens of a prompt, and remember it as its conversation's last."""
        key = _key(messages)
        old = self._last.pop(key, None)
        new, cached = _compare(old, tuple(messages), tools)
        self._last[key] = new
        if len(self._last) > self._kept:
            self._last.popitem(last=False)
        return Split(cached, new.ends[-1] - cached)


def _key(messages: Sequence[Message]) -> tuple[str, ...]:
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
    return tokens.encode("tools\n" + json.dumps(list(tools), ensure_ascii=False)) if tools else []


def _ends(known: list[int], messages: tuple[Message, ...]) -> list[int]:
    known.extend(islice(accumulate(map(tokens.count_message, messages), initial=known[-1]), 1, None))
    return known


def _common(a: list[int], b: list[int]) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
