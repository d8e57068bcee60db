"""A result's shape is read off its JSON, and what cannot be shown whole never claims to be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.evals.reader import _cells
from satchel.runtime.context.shape import MOST_ROWS, TEXT, WIDEST, Shape, quote, shape
from tests.invariants.chats import nested


def test_an_object_of_scalars_is_one_row() -> None:
    assert shape('{"id": 7, "name": "x", "ok": true, "none": null}') == Shape(
        rows=((("id", "7"), ("name", "x"), ("ok", "true"), ("none", "null")),), whole=True
    )


def test_nested_objects_are_rows_with_dotted_names() -> None:
    assert shape('{"a": {"b": 1, "c": {"d": 2}}}').rows == ((("a.b", "1"), ("a.c.d", "2")),)


def test_a_list_of_objects_is_several_rows() -> None:
    found = shape('[{"a": 1}, {"a": 2, "b": 3}]')
    assert found == Shape(rows=((("a", "1"),), (("a", "2"), ("b", "3"))), whole=True, many=True)


def test_a_list_of_scalars_is_a_list() -> None:
    assert shape('["a", 1]') == Shape(lists=(("", ("a", "1")),), whole=True)
    assert shape('{"items": ["a"]}').lists == (("items", ("a",)),)


@pytest.mark.parametrize(
    "text",
    [
        '{"id": 1, "text": "%s"}' % ("x" * 100),
        '{"id": 1, "more": [[1]]}',
        '{"id": 1, "more": []}',
        '{"id": 1, "more": {}}',
    ],
)
def test_what_is_left_out_of_a_row_is_owned_up_to(text: str) -> None:
    assert shape(text).rows == ((("id", "1"),),)
    assert not shape(text).whole


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '{"a.b": 1, "a": {"b": 2}}', '[{"a": 1, "a": 2}]', '{"x": {"a": 1, "a": 2}, "y": 3}']
)
def test_two_values_with_one_name_are_text(text: str) -> None:
    assert shape(text) == TEXT


def test_numbers_are_shown_as_they_were_written() -> None:
    assert shape('{"a": 1.50, "b": 1e400, "c": 123456789012345678901234567890}').rows[0] == (
        ("a", "1.50"), ("b", "1e400"), ("c", "123456789012345678901234567890"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "plain",
        "{",
        "[1,",
        "{}",
        "[]",
        "[[1]]",
        '[{"a": 1}, 2]',
        '"text"',
        "7",
        "NaN",
        "\ufeff{}",
        "[" * 100_000,
        '{"a":' * 50_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_all_else_is_text(text: str) -> None:
    assert shape(text) == TEXT


def test_what_is_too_wide_or_too_long_is_text() -> None:
    assert shape(json.dumps({f"k{n}": n for n in range(WIDEST + 1)})) == TEXT
    assert shape(json.dumps([{"a": n} for n in range(MOST_ROWS + 1)])) == TEXT


CELLS = st.text(st.characters(codec=None, exclude_categories=()), max_size=12) | st.sampled_from(
    ("-", "older", "@ f(x) -> y", "a,b", "[x]", 'q"', "| x", " x")
)


@given(st.lists(CELLS, min_size=1, max_size=6))
def test_a_row_of_quoted_cells_is_one_line_and_reads_back(cells: list[str]) -> None:
    line = ",".join(map(quote, cells))
    assert line.splitlines() == [line]
    assert not line.startswith(("@", "|", "[", "older"))
    assert _cells(line) == tuple(cells)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=80)
NAMES = st.sampled_from(("a", "b", "a.b", "c")) | st.text(max_size=4)


@given(st.dictionaries(NAMES, nested(NAMES, SCALARS, levels=4), max_size=6))
def test_a_whole_shape_holds_every_value(value: dict[str, Any]) -> None:
    found = shape(json.dumps(value))
    shown = [cell for row in found.rows for _, cell in row] + [v for _, values in found.lists for v in values]
    if found.whole:
        assert sorted(shown) == sorted(_scalars(value))


def _scalars(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [s for inner in (value.values() if isinstance(value, dict) else value) for s in _scalars(inner)]
    return [value if isinstance(value, str) else json.dumps(value)]
