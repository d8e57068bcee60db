"""Names worth keeping from texts that do not fit, with the words beside them, and how likely each is needed again.

A name is a word that reads as an identifier, a path, a date or an amount. Its weight is the chance that a later call
uses it, by a logistic model fitted on recorded coding runs: uses as an argument and repeated sightings speak for it,
age and being a bare number against it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from satchel.memory.handles import HANDLE

if TYPE_CHECKING:
    from satchel.memory.records import Json

MOST = 800
"""Names read from one text."""

READ = 200_000
"""Characters of a text that are read."""

LONGEST = 120
"""Characters of a name."""

DIGITS, LETTERS = 3, 4
"""Digits of a number, and characters of another word, below which it says nothing alone."""

BEFORE, AFTER = 1, 1
"""Plain words shown before and after a name: they tell a reader what it is."""

REACH = 60
"""Characters around a name in which its words are looked for."""

PLAIN = 20
"""Characters of a plain word, at most."""

LEAD = 160
"""Characters of a first sentence that may be quoted whole."""

SEEN = 90
"""Characters back in which a plain word is not shown again."""

WORDS = 16_384
"""Words whose kind is remembered: the same ones stand in most texts of a thread."""

_WORD = re.compile(r"[#@$~/]?\w(?:[\w\-./:@#%+=&?]*\w)?")
_TELLING = re.compile(r"[\d_/@#]|\w[.:-]\w|[a-z][A-Z]")
_NUMBER = re.compile(r"[\d.,:]+")
_PLAIN = re.compile(r"[^\s\"',;:(){}\[\]<>=|`*.]{2,}")
_SENTENCE = re.compile(r"[A-Z][^\n{}()<>=|]{8,}?[.!?](?=\s|$)")
_EMPTY = frozenset(
    "the and for you your that this with are was have has not from but can will would please true false null none role"  # noqa: SIM905 - read as a sentence
    " user tool".split()
)
"""Words that say nothing beside a name."""

INTERCEPT, USED, AGAIN, SINCE_LAST, SINCE_FIRST, NUMBER = -2.7, 1.3, 1.3, -0.3, -0.3, -0.9
"""Coefficients: log of uses as an argument, seen twice or more, log of turns since last and first seen, bare number."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name and the plain words beside it where it first stands in its text."""

    text: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def size(self) -> float:
        """Tokens, about: counting each exactly would take longer than the rest of a fold."""
        return len(self.text) // LETTERS + 1 + BESIDE * (len(self.before) + len(self.after))


BESIDE = 0.6
"""Tokens of a plain word beside a name, on average, since many stand there already."""


@lru_cache(maxsize=256)
def names(text: str) -> tuple[Name, ...]:
    """The names in the first `READ` characters of a text, each once, in the order of their first appearance."""
    read = text[:READ]
    found: dict[str, Name] = {}
    for match in _WORD.finditer(read):
        word = match[0]
        if word not in found and _telling(word):
            found[word] = Name(word, *_beside(read, match.start(), match.end()))
            if len(found) == MOST:
                break
    return tuple(found.values())


def lead(text: str) -> str:
    """The first sentence or line of a text, if it is short and has a name in it; else nothing."""
    first = _SENTENCE.match(text[:LEAD].lstrip())
    found = first[0].strip() if first else ""
    return found if found.isprintable() and names(found) and not HANDLE.search(found) else ""


def topic(tool: str, statement: str) -> str:
    """What a sentence of a tool is about: it with each number left open, if it has one and names something; else "".

    Of two sentences on one topic the later counts: "The price of BE-71 is now 20." replaces "... is now 10."
    """
    found = _WORD.findall(statement)
    named = any(_telling(word) and not _NUMBER.fullmatch(word) for word in found)
    if not named or not any(map(_NUMBER.fullmatch, found)):
        return ""
    return f"{tool} " + _WORD.sub(lambda word: "#" if _NUMBER.fullmatch(word[0]) else word[0], statement)


def _beside(text: str, start: int, end: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    left, right = max(0, start - REACH), end + REACH
    before = _PLAIN.findall(text[left:start])[1 if left else 0 :]  # the outermost words may be cut
    after = _PLAIN.findall(text[end:right])
    after = after[:-1] if right < len(text) else after
    return tuple(filter(_plain, before))[-BEFORE:], tuple(filter(_plain, after))[:AFTER]


@lru_cache(maxsize=WORDS)
def _plain(word: str) -> bool:
    """Whether a word may stand beside a name: plain words, and amounts, which say nothing alone."""
    usual = len(word) < PLAIN and word.lower() not in _EMPTY and word.isprintable()
    return usual and not _telling(word)


def woven(chosen: Sequence[Name]) -> str:
    """Names in order, each among its words; a word that stood just before is left out."""
    line = ""
    for name in chosen:
        for word in (*name.before, name.text, *name.after):
            if word == name.text or word.lower() not in line[-SEEN:].lower():
                line += f" {word}"
    return line[1:]


def words(value: Json) -> str:
    """The texts and numbers in a JSON value, one a line, as they are without JSON's escapes."""
    if isinstance(value, dict):
        return "\n".join(map(words, value.values()))
    if isinstance(value, list):
        return "\n".join(map(words, value))
    return value if isinstance(value, str) else json.dumps(value)


@lru_cache(maxsize=WORDS)
def _telling(word: str) -> bool:
    if len(word) > LONGEST or HANDLE.search(word):  # a handle is ours to show
        return False
    if _NUMBER.fullmatch(word):
        return sum(map(str.isdigit, word)) >= DIGITS
    return len(word) >= LETTERS and (word.isupper() or bool(_TELLING.search(word)))


Sighting = tuple[str, int, int, int, int]
"""A name, the turns when it was first and last seen, how often it was seen, and how often used."""


@dataclass(slots=True)
class _Seen:
    first: int
    last: int
    times: int = 0
    used: int = 0


class Lexicon:
    """When and how often each name of a thread was seen and used; the same turns give the same weights."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def note(self, turn: int, shown: Iterable[str], used: Iterable[str]) -> None:
        """Names that a turn showed, and those that it used in the arguments of its calls."""
        for name in shown:
            seen = self._seen.setdefault(name, _Seen(turn, turn))
            seen.last, seen.times = turn, seen.times + 1
        for name in used:
            seen = self._seen.setdefault(name, _Seen(turn, turn))
            seen.last, seen.used = turn, seen.used + 1

    def weight(self, name: str, now: int) -> float:
        """The chance that a name is needed again, seen from turn `now`."""
        seen = self._seen.get(name)
        if seen is None:
            return 0.0
        score = INTERCEPT + USED * math.log1p(seen.used) + AGAIN * (seen.times > 1)
        score += SINCE_LAST * math.log1p(now - seen.last) + SINCE_FIRST * math.log1p(now - seen.first)
        score += NUMBER * bool(_NUMBER.fullmatch(name))
        return 1 / (1 + math.exp(-score))

    def state(self) -> tuple[Sighting, ...]:
        """All that it knows, to be kept beside a log."""
        return tuple((name, seen.first, seen.last, seen.times, seen.used) for name, seen in self._seen.items())

    def restore(self, state: Iterable[Sighting]) -> None:
        """Know what `state` gave."""
        self._seen = {name: _Seen(first, last, times, used) for name, first, last, times, used in state}

    def forget(self, kept: Iterable[str]) -> None:
        """Keep only these names; what is not kept is bounded no more by the length of the thread."""
        self._seen = {name: self._seen[name] for name in kept if name in self._seen}
