"""Names worth keeping from texts that do not fit: which stand in a text, and how likely each is needed again.

A name is a word that reads as an identifier, a path, a date or an amount. Its weight is the chance that a later call
uses it, by a logistic model fitted on recorded coding runs: uses as an argument and repeated sightings speak for it,
age and being a bare number against it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from satchel.memory.handles import HANDLE

MOST = 400
"""Names read from one text."""

READ = 200_000
"""Characters of a text that are read."""

LONGEST = 120
"""Characters of a name."""

DIGITS, LETTERS = 3, 4
"""Digits of a number, and characters of another word, below which it says nothing alone."""

_WORD = re.compile(r"[#@$~/]?\w(?:[\w\-./:@#%+=&?]*\w)?")
_TELLING = re.compile(r"[\d_/@#]|\w[.:-]\w|[a-z][A-Z]")
_NUMBER = re.compile(r"[\d.,:]+")

INTERCEPT, USED, AGAIN, SINCE_LAST, SINCE_FIRST, NUMBER = -2.7, 1.3, 1.3, -0.3, -0.3, -0.9
"""Coefficients: log of uses as an argument, seen twice or more, log of turns since last and first seen, bare number."""


@lru_cache(maxsize=256)
def names(text: str) -> tuple[str, ...]:
    """The names in the first `READ` characters of a text, each once, in the order of their first appearance."""
    words = dict.fromkeys(_WORD.findall(text[:READ]))
    return tuple(islice(filter(_telling, words), MOST))


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
