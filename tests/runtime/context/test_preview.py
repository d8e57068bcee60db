"""A preview is bounded, says how much it leaves out, and holds the handle to the rest."""

from __future__ import annotations

import base64
import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satchel.runtime.context import tokens
from satchel.runtime.context.preview import describe, preview
from satchel.runtime.context.slim import slim

LONG = " ".join(f"word{n}" for n in range(20_000))
REF = "res:000000001"


def test_a_short_text_is_its_own_preview() -> None:
    assert preview("a b c", 48, REF) == "a b c"


def test_a_preview_shows_head_and_tail_and_says_where_the_whole_is() -> None:
    shown = preview(LONG, 100, REF)
    assert shown.startswith("word0 word1")
    assert shown.endswith("word19999")
    assert f"of {len(LONG):,} characters not shown; whole text: {REF}" in shown
    assert tokens.count(shown) <= 100 + 32


def test_a_table_is_shown_by_its_columns_its_first_and_last_rows_and_ranges() -> None:
    rows = [{"id": f"a{n}", "price": n * 3, "state": "open"} for n in range(400)]
    shown = preview(slim(json.dumps({"count": 400, "rows of stock": rows})), 300, REF)
    assert shown.startswith(
        '{"count":400,"rows of stock":{"each":{"state":"open"},"columns":["id","price"],"rows":[["a0",0],["a1",3],'
    )
    assert "of 400 not shown; price 0 to 1197 ..." in shown
    assert '["a399",1197]]}}' in shown
    assert shown.endswith(f"[... parts not shown; whole text: {REF} ...]")
    assert tokens.count(shown) <= 300


def test_long_texts_and_many_names_of_a_document_are_cut() -> None:
    shown = preview(json.dumps({"text": LONG, **{f"k{n}": n for n in range(3_000)}}), 600, REF)
    assert "characters not shown" in shown
    assert "names not shown" in shown
    assert '"k2999":2999' in shown


@pytest.mark.parametrize("wrap", [0, 64, 76], ids=["one line", "PEM", "MIME"])
def test_binary_is_described(wrap: int) -> None:
    data = base64.b64encode(b"%PDF-1.7" + random.Random(1).randbytes(3_000)).decode()
    text = "\n".join(data[n : n + wrap] for n in range(0, len(data), wrap)) if wrap else data
    shown = describe(f"Attached:\n{text}\nEnd", REF)
    assert shown.startswith("Attached:\n[base64, PDF, 4,")
    assert shown.endswith(f"whole text: {REF}]\nEnd")


def test_text_that_is_nearly_binary_takes_no_longer_than_other_text() -> None:
    text = " ".join(["x" * 500] * 2_000)
    started = time.process_time()
    assert describe(text, REF) is text
    assert time.process_time() - started < 1


@settings(max_examples=150)
@given(
    st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
    | st.recursive(st.integers() | st.text(max_size=9), lambda e: st.lists(e) | st.dictionaries(st.text(), e)).map(
        json.dumps
    ),
    st.sampled_from((1, 50, 3_000)),
    st.integers(48, 400),
)
def test_a_preview_is_bounded_and_keeps_the_handle(text: str, times: int, limit: int) -> None:
    for whole in (text * times, json.dumps([text] * times)):
        shown = preview(whole, limit, REF)
        assert shown == whole or (REF in shown and tokens.count(shown) <= limit + 48)
