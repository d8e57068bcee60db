"""The facts that each recorded call needed: literals that it used and that stood verbatim in an earlier message.

For a reply with calls these are literals of their arguments: numbers of three digits or more, and strings of 4 to 120
characters that were seen before as a whole, else their entity-like words (ids, paths, dates, identifiers, acronyms,
numbers). For an answer in prose: its entity-like words. What stands in system text or tool schemas, or was first said
by the agent itself, is no needed fact. At most 12 a call, the rarest first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from satchel.runtime.context import tokens

if TYPE_CHECKING:
    from satchel.evals.replay import Trajectory
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message, ToolCall

MOST = 12
"""Facts of one call, so that one large edit does not outweigh fifty calls."""

SHORTEST, LONGEST, LONGEST_WORD = 4, 120, 200
"""Characters of a string that can be one fact, and of an entity-like word."""

DIGITS = 3
"""Digits from which on a number is a fact."""

BEFORE, AFTER = 80, 60
"""Characters around the first place of a fact in which its anchors stand."""

_WORD = re.compile(r"[#@$~/]?[A-Za-z0-9_](?:[A-Za-z0-9_\-./:@#%+=&?]*[A-Za-z0-9_])?")
_NUMBER = re.compile(r"\d[\d,.]*")
_ENTITY = re.compile(r"[0-9_/@#]|[A-Za-z0-9][.:\-][A-Za-z0-9]|[a-z][A-Z]")
_PLAIN = re.compile(r"[^\s\"',;:(){}\[\]<>=]{2,}")
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "you",
        "your",
        "that",
        "this",
        "with",
        "are",
        "was",
        "have",
        "has",
        "not",
        "from",
        "but",
        "can",
        "will",
        "would",
        "please",
        "true",
        "false",
        "null",
        "none",
        "role",
        "user",
        "tool",
    ]
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A literal, and its anchors: the plain words, lower case, beside the place where it was first said."""

    literal: str
    anchors: frozenset[str]


def holds(text: str, literal: str) -> bool:
    """Whether the literal stands in the text, and not inside a longer word or number."""
    at = text.find(literal)
    while at >= 0:
        end = at + len(literal)
        inside = at > 0 and text[at - 1].isalnum() and literal[0].isalnum()
        if not inside and not (text[end : end + 1].isalnum() and literal[-1].isalnum()):
            return True
        at = text.find(literal, at + 1)
    return False


class Facts:
    """The needed facts of a trajectory, call by call."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._messages = trajectory.messages
        self._tools = trajectory.tools
        self._seen: dict[str, list[int]] = {}
        self._anchors: dict[str, Fact] = {}

    @cached_property
    def _texts(self) -> list[str]:
        return [tokens.render(message) for message in self._messages]

    @cached_property
    def _fixed(self) -> str:
        system = (text for text, m in zip(self._texts, self._messages, strict=True) if m.role == "system")
        return "\n".join([tokens.render_tools(self._tools)] * bool(self._tools) + [*system])

    def __iter__(self) -> Iterator[list[Fact]]:
        """The facts of each recorded call, in order."""
        return (self._needed(k) for k, message in enumerate(self._messages) if message.role == "assistant")

    def _needed(self, k: int) -> list[Fact]:
        message = self._messages[k]
        used = self._arguments(message, k) if message.calls else pieces(message.content)
        seen = {x: self._before(x, k) for x in dict.fromkeys(used) if not holds(self._fixed, x)}
        told = [x for x, at in seen.items() if at and self._messages[at[0]].role != "assistant"]
        told.sort(key=lambda x: (len(seen[x]), -len(x), x))
        return [self._fact(x) for x in told[:MOST]]

    def _before(self, literal: str, k: int) -> list[int]:
        """The messages before the k-th in which the literal stands."""
        if literal not in self._seen:
            self._seen[literal] = [n for n, text in enumerate(self._texts) if holds(text, literal)]
        return [n for n in self._seen[literal] if n < k]

    def _arguments(self, message: Message, k: int) -> Iterator[str]:
        for value in (leaf for call in message.calls for leaf in _leaves(call)):
            if not isinstance(value, str):
                number = repr(value).removesuffix(".0")
                yield from [number] if _digits(number) >= DIGITS else []
                continue
            text = value.strip()
            whole = SHORTEST <= len(text) <= LONGEST and not any(c in text for c in '\n"\\')
            yield from [text] if whole and self._before(text, k) else pieces(text)

    def _fact(self, literal: str) -> Fact:
        if literal not in self._anchors:
            text = self._texts[self._seen[literal][0]]
            at = text.find(literal)
            end = at + len(literal)
            near = f"{text[max(0, at - BEFORE) : at]} {text[end : end + AFTER]}"
            plain = [word for word in _PLAIN.findall(near)[1:-1] if not _entity(word)]  # the outermost may be cut
            self._anchors[literal] = Fact(literal, frozenset(map(str.lower, plain)) - _COMMON)
        return self._anchors[literal]


def pieces(text: str) -> list[str]:
    """The entity-like words of a text, each once."""
    return list(dict.fromkeys(filter(_entity, _WORD.findall(text))))


def _entity(word: str) -> bool:
    if len(word) > LONGEST_WORD:
        return False
    if _NUMBER.fullmatch(word):
        return _digits(word) >= DIGITS
    return len(word) >= SHORTEST and (word.isupper() or _ENTITY.search(word) is not None)


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def _leaves(call: ToolCall) -> Iterator[str | int | float]:
    """Strings and numbers of a call's arguments, in their order."""
    left: list[Json] = [call.args]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(reversed(value.values()))
        elif isinstance(value, list):
            left.extend(reversed(value))
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield value
