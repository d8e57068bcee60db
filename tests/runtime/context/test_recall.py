"""Recall answers any question about any stored text, in bounded time and size, and never raises."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satchel.runtime.context import recall, tokens
from satchel.runtime.context.recall import LIMIT, arguments, select

LOG = "\n".join(f"{n}: {'ERROR disk full' if n % 100 == 42 else 'ok'} id-{n * 7919 % 10007}" for n in range(1, 1001))


def test_a_short_text_comes_back_whole() -> None:
    assert select("a\nb") == "a\nb"
    assert select("") == ""


def test_a_long_text_is_cut_with_the_way_to_more() -> None:
    answer = select(LOG)
    assert answer.startswith("1: ok")
    assert "of 1000; narrow it" in answer
    assert tokens.count(answer) <= LIMIT


def test_lines_are_counted_from_one_and_both_ends_are_included() -> None:
    assert select(LOG, lines="42-43") == "\n".join(LOG.split("\n")[41:43])
    assert select(LOG, lines="7") == LOG.split("\n")[6]


@pytest.mark.parametrize(
    "lines", ["5-2", "0", "2000-3000", "-5", "x", "1-9999999999999", "1" * 5_000, "1-2-3", "\u0661-\u0662", "1.5"]
)
def test_a_range_that_is_none_is_answered_by_a_sentence(lines: str) -> None:
    answer = select(LOG, lines=lines)
    assert answer.startswith(("(", "1: ok"))
    assert tokens.count(answer) <= LIMIT


def test_a_giant_range_is_what_there_is() -> None:
    assert select("a\nb\nc", lines="2-999999999") == "b\nc"


def test_a_query_finds_lines_with_all_words_and_their_neighbours() -> None:
    answer = select(LOG, query="disk ERROR")
    assert "42: 42: ERROR disk full" in answer
    assert "41: 41: ok" in answer
    assert "44: 44" not in answer


@pytest.mark.parametrize(
    "query", ["(", ".*", "[a-", "(a+)+$", "\\", "^", "a{99999}", "\u202e\u05d0", "\x00", "%s{0}", "x" * 100_000]
)
def test_a_query_is_words_and_never_a_pattern(query: str) -> None:
    assert select(LOG, query=query).startswith("(no line holds")
    assert select(f"before\n{query[:200]}\nafter", query=query[:200]).splitlines()[0] == "1: before"


def test_a_query_in_one_long_line_shows_its_surroundings() -> None:
    text = "x" * 100_000 + " needle " + "y" * 100_000
    answer = select(text, query="needle")
    assert "needle" in answer
    assert tokens.count(answer) <= LIMIT


def test_a_path_picks_a_value_and_names_what_is_there_instead() -> None:
    text = json.dumps({"items": [{"id": 7, "tags": ["a"]}, {"id": 8}], "a.b": 1})
    assert select(text, path="items.0.id") == "7"
    assert select(text, path="$.items[1].id") == "8"
    assert select(text, path="items.0") == '{"id":7,"tags":["a"]}'
    assert select(text, path="items.9") == "(nothing at 'items.9': no '9' in a list of 2)"
    assert "items" in select(text, path="nothing")


@pytest.mark.parametrize(
    "path", ["", ".", "..", "[", "$", "0", "a" * 50_000, "items.99999999999999999999", "items." + "9" * 5_000, "\u0663"]
)
def test_an_odd_path_is_answered(path: str) -> None:
    assert tokens.count(select('{"items": [1, 2]}', path=path)) <= LIMIT


@pytest.mark.parametrize("depth", [100, 900, 990, 1_000, 5_000, 100_000])
@pytest.mark.parametrize("path", ["0", "$"])
def test_deep_nesting_is_answered(depth: int, path: str) -> None:
    assert tokens.count(select("[" * depth + "]" * depth, path=path)) <= LIMIT


def test_path_lines_and_query_narrow_one_after_another() -> None:
    text = json.dumps({"log": LOG})
    assert select(text, path="log", lines="42-142", query="full").count("ERROR") == 2


@pytest.mark.parametrize(
    "asked",
    [{}, {"query": "needle"}, {"lines": "400000-400100"}, {"path": "a"}, {"query": "o"}],
    ids=["whole", "query", "lines", "path", "hits everywhere"],
)
@pytest.mark.parametrize("text", [("look out\n" * 5_555_555)[:50_000_000], "o" * 50_000_000], ids=["lines", "one line"])
def test_fifty_megabytes_are_read_in_bounded_time(text: str, asked: dict[str, str]) -> None:
    began = time.monotonic()
    answer = select(text, query=asked.get("query"), lines=asked.get("lines"), path=asked.get("path"))
    assert time.monotonic() - began < 20
    assert tokens.count(answer) <= LIMIT


QUERIES = st.none() | st.text(max_size=20)


@settings(max_examples=100)
@given(text=st.text(max_size=400), query=QUERIES, lines=QUERIES, path=QUERIES, times=st.sampled_from((1, 500)))
def test_no_question_raises_or_exceeds_the_limit(
    text: str, query: str | None, lines: str | None, path: str | None, times: int
) -> None:
    assert tokens.count(select(text * times, query=query, lines=lines, path=path)) <= LIMIT


def test_arguments_take_whatever_a_model_sends() -> None:
    nothing = {"ref": None, "query": None, "lines": None, "path": None}
    assert arguments({"ref": "res:1", "lines": 5, "more": 1}) == {**nothing, "ref": "res:1", "lines": "5"}
    assert arguments("res:1") == {**nothing, "ref": "res:1"}
    assert arguments([1]) == {**nothing, "ref": "[1]"}


def test_the_schema_names_its_arguments() -> None:
    function = recall.schema()["function"]
    assert function["name"] == recall.NAME
    assert list(function["parameters"]["properties"]) == ["ref", "query", "lines", "path"]
