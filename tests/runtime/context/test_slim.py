"""Slimming says the same in fewer characters: the document can be had back from it, to the last digit."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satchel.runtime.context.slim import COLUMNS, EACH, LARGEST, ROWS, SMALLEST, slim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from satchel.memory.records import Json

NAMES = st.sampled_from(["id", "each", "columns", "rows", "a.b", "a", "b", "x[0]", "", "0"]) | st.text(max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
LIKE = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4).flatmap(
    lambda one: st.lists(
        st.fixed_dictionaries(dict.fromkeys(one, VALUES | st.sampled_from(list(one.values())))), min_size=2, max_size=6
    )
)


def patients(count: int) -> str:
    entries = [
        {
            "url": f"http://localhost/Observation/{n}",
            "resource": {"id": str(n), "status": "final", "code": [{"text": "K"}], "value": n / 10},
        }
        for n in range(count)
    ]
    return json.dumps({"type": "searchset", "entry": entries}, indent=2)


PATH = re.compile(r"\.|\[0\]\.")
"""What joins the names of a path."""


def whole(value: Json) -> Json:
    """A slimmed document as it was, from its JSON value."""
    if isinstance(value, list):
        return [whole(v) for v in value]
    if not isinstance(value, dict):
        return value
    if not {COLUMNS, ROWS} <= value.keys():
        return {k: whole(v) for k, v in value.items()}
    each, columns, rows = value.get(EACH, {}), value[COLUMNS], value[ROWS]
    if isinstance(rows, dict):
        return {name: _row(each, columns, row) for name, row in rows.items()}
    return [_row(each, columns, row) for row in rows]


def _row(each: Mapping[str, Json], columns: Sequence[str], row: Sequence[Json]) -> Json:
    own = row[len(columns)] if len(row) > len(columns) else {}
    out: dict[str, Json] = {}
    for path, value in (*each.items(), *zip(columns, row, strict=False), *own.items()):
        _put(out, path, whole(value))
    return out


def _put(into: dict[str, Json], path: str, value: Json) -> None:
    names, joints = PATH.split(path), PATH.findall(path)
    for name, joint in zip(names, joints, strict=False):
        inner = into.setdefault(name, {} if joint == "." else [{}])
        into = inner if isinstance(inner, dict) else inner[0]
    into[names[-1]] = value


def test_like_objects_stand_as_a_table_with_what_is_constant_once() -> None:
    text = slim(f"Here is the response:\n{patients(3)}. Please go on.")
    assert text == (
        'Here is the response:\n{"type":"searchset","entry":{"each":{"resource.status":"final",'
        '"resource.code[0].text":"K"},"columns":["url","resource.id","resource.value"],"rows":['
        '["http://localhost/Observation/0","0",0.0],["http://localhost/Observation/1","1",0.1],'
        '["http://localhost/Observation/2","2",0.2]]}}. Please go on.'
    )


def test_what_only_some_rows_have_stands_behind_them() -> None:
    rows = [{"name": f"item {n}", "weight": n, **({"note": "late"} if n == 7 else {})} for n in range(20)]
    text = slim(json.dumps(rows))
    assert '["item 6",6],["item 7",7,{"note":"late"}],["item 8",8]' in text
    assert whole(json.loads(text)) == rows


def test_objects_under_names_keep_their_names() -> None:
    rows = {str(n): {"colour": "red", "size": n} for n in range(30)}
    text = slim(json.dumps({"variants": rows}))
    assert text.startswith('{"variants":{"each":{"colour":"red"},"columns":["size"],"rows":{"0":[0],"1":[1],')
    assert whole(json.loads(text)) == {"variants": rows}


def test_numbers_stay_as_they_were_written() -> None:
    text = slim(
        "[" + ", ".join(f'{{"price": 1.{n}0, "big": 123456789012345678901234567890e5}}' for n in range(20)) + "]"
    )
    assert '"each":{"big":123456789012345678901234567890e5}' in text
    assert "[1.10]" in text


def test_repeated_lines_stand_once() -> None:
    text = "start\n" + "still waiting for the server\n" * 40 + "done"
    assert slim(text) == "start\nstill waiting for the server\n[the line above, 40 times]\ndone"


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "prose " * 200,
        json.dumps({"columns": ["a"], "rows": [[1]], "each": {"b": "x" * 400}}, indent=8),
        "{" + '"a": 1, ' * 200 + '"b": 2}',
        "waits\n" * 40 + "[the line above, 9 times]" + " " * 40,
        "[" * 5_000,
        '[{"a": "\\ud800"}, ' * 100,
    ],
)
def test_what_could_be_misread_or_gains_little_stays_as_it_is(text: str) -> None:
    assert slim(text) == text


@settings(max_examples=120)
@given(
    VALUES | LIKE | st.dictionaries(st.text(max_size=3), LIKE, min_size=1), st.sampled_from([None, 4]), st.booleans()
)
def test_the_document_can_be_had_back(value: object, indent: int | None, ascii_only: bool) -> None:  # noqa: FBT001 - a case
    text = json.dumps({"padding": "x" * SMALLEST, "value": value}, indent=indent, ensure_ascii=ascii_only)
    shown = slim(text)
    assert len(shown) <= len(text)
    assert shown == text or whole(json.loads(shown)) == json.loads(text)


@pytest.mark.parametrize("deep", ["[", '{"a":', '[{"a":'])
def test_a_deep_document_takes_no_longer_than_a_flat_one(deep: str) -> None:
    closing = {"[": "]", '{"a":': "}", '[{"a":': "}]"}[deep]
    text = deep * 300 + '{"b": 1, "c": 2}' + closing * 300 + " " * 400
    started = time.process_time()
    slim(text)
    assert time.process_time() - started < 1


def test_a_wide_table_takes_no_longer_than_a_long_one() -> None:
    text = json.dumps([{f"k{n}": m for n in range(30_000)} for m in range(2)])
    started = time.process_time()
    slim(text)
    assert time.process_time() - started < 2


def test_a_huge_text_is_not_read() -> None:
    text = "[" + "1, " * LARGEST + "1]"
    assert slim(text) is text
