"""Regular expressions of a model, over texts of strangers, in bounded time."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

import regex

LONGEST = 200
"""Characters of a pattern: what compiles in some milliseconds."""

SECONDS = 0.4
"""Time for all matches of one call; with what else a call does it stays below half a second on an idle machine."""


class Unanswerable(Exception):
    """A question that cannot be answered; the message is the answer to the model."""


def search(pattern: str, text: str) -> bool:
    """Whether a pattern is somewhere in a text. Raises `Unanswerable`."""
    try:
        return _compiled(pattern).search(text, timeout=SECONDS) is not None
    except TimeoutError:
        raise late() from None


def hits(pattern: str, lines: Sequence[str]) -> Iterator[tuple[int, regex.Match[str]]]:
    """The lines that a pattern matches, by their place in `lines`, and the first match of each. Raises `Unanswerable`.

    All are searched as one text, in which a match belongs to the line that it begins in: a call for each line would
    cost more than the matching.
    """
    found = _compiled(pattern)
    text = "\n".join(lines)
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    end = time.monotonic() + SECONDS
    at = 0
    while at < len(lines):
        left = end - time.monotonic()
        if left <= 0:
            raise late()
        try:
            match = found.search(text, starts[at], timeout=left)
        except (TimeoutError, MemoryError):
            raise late() from None
        if match is None:
            return
        at = bisect_right(starts, match.start(), hi=len(lines)) - 1
        yield at, match
        at += 1


def late() -> Unanswerable:
    """What is said when the time is over."""
    return Unanswerable(f"the pattern took longer than {SECONDS} s; make it simpler, or narrow the text with lines")


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> regex.Pattern[str]:
    if len(pattern) > LONGEST:
        raise Unanswerable(f"the pattern is longer than {LONGEST} characters")
    try:
        return regex.compile(pattern, regex.MULTILINE)
    except (regex.error, ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise Unanswerable(f"regex {pattern!r} does not work: {str(error)[:120]}") from error
