"""Values inside a JSON value by an RFC 9535 JSONPath, or by a plain path such as `items.0.id`, in bounded time."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeVar

import jsonpath_rfc9535
from jsonpath_rfc9535.function_extensions import ExpressionType, FilterFunction

from satchel.runtime.context.pattern import Unanswerable, search

if TYPE_CHECKING:
    from satchel.memory.records import Json

LONGEST = 300
"""Characters of a JSONPath."""

SECONDS = 2.0
"""Processor time of one path: enough for some hundred thousand values."""

EVERY = 16
"""Calls of the library between two looks at the clock."""

T = TypeVar("T")


class _Late(BaseException):
    """The time is over; no handler of `Exception` in between may hold it up."""


class _Matches(FilterFunction):
    """`match()` and `search()` of RFC 9535 under a time limit."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 - the port of the library
    return_type = ExpressionType.LOGICAL

    def __init__(self, form: str) -> None:
        self._form = form

    def __call__(self, text: object, pattern: object) -> bool:
        return isinstance(text, str) and isinstance(pattern, str) and search(self._form.format(pattern), text)


ENVIRONMENT = jsonpath_rfc9535.JSONPathEnvironment()
ENVIRONMENT.function_extensions.update(match=_Matches(r"\A(?:{})\Z"), search=_Matches("{}"))


def pick(value: Json, path: str) -> list[Json]:
    """The values at a path, in the order of the document. Raises `Unanswerable`."""
    if not path.startswith("$"):
        return [_plain(value, path)]
    if len(path) > LONGEST:
        raise Unanswerable(f"the path is longer than {LONGEST} characters")
    try:
        found = _timed(lambda: [node.value for node in ENVIRONMENT.finditer(path, value)])
    except jsonpath_rfc9535.JSONPathError as error:
        raise Unanswerable(f"path {path!r} does not work: {str(error).partition(chr(10))[0][:200]}") from error
    except RecursionError as error:
        raise Unanswerable("the path or the text is nested too deeply; name the way down step by step") from error
    except _Late as error:
        raise Unanswerable(
            f"the path took longer than {SECONDS:g} s; name the way down instead of .. and *, or use query or regex"
        ) from error
    if not found:
        raise Unanswerable(f"nothing at {path!r}; the text is {kind(value)}")
    return found


def _timed(call: Callable[[], T]) -> T:
    """What `call` gives. The library runs in Python throughout, but has no place of its own to look at the clock."""
    end = time.thread_time() + SECONDS
    calls = count(1)

    def look(*_: Any) -> None:
        if next(calls) % EVERY == 0 and time.thread_time() > end:
            raise _Late

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        return call()
    finally:
        sys.setprofile(before)


def _plain(value: Json, path: str) -> Json:
    for step in filter(None, re.split(r"[.\[\]]+", path)):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise Unanswerable(f"nothing at {path!r}: no {step!r} in {kind(value)}") from None
    return value


def kind(value: Json) -> str:
    """What a value is, in words."""
    if isinstance(value, dict):
        return "an object with the keys " + ", ".join(islice(map(str, value), 20))
    return f"a list of {len(value)}" if isinstance(value, list) else "a plain value"
