"""JSON of whatever a state or an event holds: always written, alike by the fast way and the slow one, and read back."""

from __future__ import annotations

import dataclasses
import json
from collections import OrderedDict, UserDict, deque, namedtuple
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.types import Interrupt

from satchel.runtime.service.wire import DEEPEST, LARGEST, SHORT, dumps

HALF = "\ud800"
"""Half of a surrogate pair, which orjson does not write: as a key it sends all that stands beside it the slow way."""


class Colour(Enum):
    """One that is no text."""

    RED = ("red", 1)


class Size(IntEnum):
    """One that is a number."""

    SMALL = 1


class Word(StrEnum):
    """One that is a text."""

    YES = "yes"


class Share(float):
    """A number of another library, as NumPy's float64 is one."""


@dataclasses.dataclass
class Place:
    """Holds anything."""

    at: Any


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - the plain kind, too

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
ODD = st.sampled_from([
    Colour.RED, Size.SMALL, Word.YES, Share(1.5), Share("nan"), float("inf"), -float("inf"), b"\xff", UUID(int=7),
    datetime(2026, 11, 21, tzinfo=UTC), date(2026, 11, 21), Decimal("1.5"), ValueError("no"),
    AIMessage("hello", id="m1"), Interrupt("why?", id="i1"),
])  # fmt: skip
KEYS = TEXTS | st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([Word.YES, Size.SMALL, (1, 2)])
STRANGE = st.recursive(
    JSON | ODD,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | st.builds(Place, inner)
        | st.builds(Pair, inner, inner) | st.builds(lambda v: deque([v]), inner) | st.builds(lambda v: (v,), inner)
        | st.builds(lambda v: OrderedDict(k=v), inner) | st.builds(lambda v: UserDict(k=v), inner)
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150)
@given(value=JSON)
def test_json_comes_back_as_it_was_in_one_line(value: Any) -> None:
    data = dumps(value)
    assert json.loads(data) == value
    assert b"\n" not in data


@settings(max_examples=200)
@given(value=STRANGE)
def test_what_is_written_does_not_depend_on_what_stands_beside_it(value: Any) -> None:
    fast, slow = dumps({"it": value}), dumps({"it": value, HALF: 0})
    assert json.loads(slow, parse_constant=pytest.fail)["it"] == json.loads(fast, parse_constant=pytest.fail)["it"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ([float("nan"), float("inf"), Share("-inf")], b"[null,null,null]"),
        ([2**64, -(2**64), LARGEST], b"[18446744073709551616,-18446744073709551616,null]"),
        ({None: 1, True: 2, 3: 4, 0.5: 6}, b'{"null":1,"true":2,"3":4,"0.5":6}'),
        ({(1, 2): 1, Word.YES: 2, date(2026, 1, 2): 3}, b'{"[1,2]":1,"yes":2,"2026-01-02":3}'),
        (f"a{HALF}b", b'"a?b"'),
        (Share(1.5), b"1.5"),
        ([Colour.RED, Size.SMALL, Word.YES], b'[["red",1],1,"yes"]'),
        (Place(Pair(1, {2})), b'{"at":[1,[2]]}'),
        (ValueError("no"), b'{"error":"ValueError","message":"no"}'),
    ],
)  # fmt: skip
def test_what_json_has_not_got_is_written_as_something_that_it_has(value: Any, written: bytes) -> None:
    assert dumps(value) == written


@pytest.mark.parametrize("deep", [DEEPEST, 5_000, 100_000])
@pytest.mark.parametrize("key", ["a", 1])
def test_what_is_too_deep_is_told_in_short(deep: int, key: object) -> None:
    value: Any = "the bottom"
    for _ in range(deep // 2):
        value = {key: [value]}
    data = dumps(value)
    assert (b"the bottom" in data) == (deep == DEEPEST)
    assert data.count(b"[") < DEEPEST
    json.loads(data)


def test_what_holds_itself_is_told_in_short() -> None:
    value: list[Any] = [1]
    value += [value, value]
    assert json.loads(dumps({"it": value}))["it"][0] == 1
    assert len(dumps(value)) < 3 * SHORT
