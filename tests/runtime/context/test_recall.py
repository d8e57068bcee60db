"""Recall answers any question about any stored text, in bounded time and size, and never raises."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satchel.runtime.context import jsonpath, recall, tokens
from satchel.runtime.context.recall import LIMIT, arguments, select

LOG = "\n".join(f"{n}: {'ERROR disk full' if n % 100 == 42 else 'ok'} id-{n * 7919 % 10007}" for n in range(1, 1001))
SALES: list[dict[str, object]] = [
    {"city": "Paris", "price": 1.1, "day": "2024-02-01"},
    {"city": "Rome", "price": 2, "day": "2024-01-09"},
    {"city": "Paris", "price": 3.3, "day": "2024-03-05"},
    {"city": "Oslo", "price": "unknown", "day": "2024-01-02"},
]
DOCUMENT = json.dumps(SALES)
SHAPES = {
    "a list": DOCUMENT,
    "a list, set wide": json.dumps(SALES, indent=2),
    "an object around a list": json.dumps({"total": 4, "items": SALES}),
    "JSON lines": "\n".join(map(json.dumps, SALES)) + "\n",
    "CSV": "city,price,day\n" + "\n".join(f"{s['city']},{s['price']},{s['day']}" for s in SALES),
    "TSV": "City\tPrice\tDay\r\n" + "\r\n".join(f"{s['city']}\t{s['price']}\t{s['day']}" for s in SALES),
    "quoted": 'city,price,day\n"Paris","$1.10",2024-02-01\nRome," 2 ",2024-01-09\n'
    '"Paris","3.3",2024-03-05\nOslo,unknown,2024-01-02\n',
}


def test_a_short_text_comes_back_whole() -> None:
    assert select("a\nb") == "a\nb"
    assert select("") == ""


def test_a_long_text_is_cut_with_the_way_to_more() -> None:
    answer = select(LOG)
    shown, _, note = answer.rpartition("\n")
    assert LOG.startswith(shown + "\n")
    assert note == f"[... more lines follow; go on with lines={shown.count(chr(10)) + 2}-1000 ...]"
    assert tokens.count(answer) <= LIMIT


def test_going_on_as_told_reads_the_whole_text_once() -> None:
    read, asked = [], None
    while True:
        shown, onward, rest = select(LOG, lines=asked).partition("\n[... more lines follow; go on with lines=")
        read.append(shown)
        if not onward:
            break
        asked = rest.removesuffix(" ...]")
    assert "\n".join(read) == LOG
    assert len(read) > 5


def test_lines_are_counted_from_one_and_both_ends_are_included() -> None:
    assert select(LOG, lines="42-43") == "\n".join(LOG.split("\n")[41:43])
    assert select(LOG, lines="7") == LOG.split("\n")[6]
    assert select(LOG, lines="999-") == "\n".join(LOG.split("\n")[998:])


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


@pytest.mark.parametrize("asked", [{"query": "needle"}, {"regex": "ne+dle"}], ids=["query", "regex"])
def test_a_hit_in_one_long_line_shows_its_surroundings(asked: dict[str, str]) -> None:
    text = "x" * 100_000 + " needle " + "y" * 100_000
    answer = select(text, **asked)
    assert "needle" in answer
    assert tokens.count(answer) <= LIMIT


def test_a_pattern_finds_lines_and_is_anchored_to_each() -> None:
    assert [line for line in select(LOG, regex=r"^\d*42: ERROR.*id-3714$").splitlines() if "ERROR" in line] == [
        "142: 142: ERROR disk full id-3714"
    ]
    assert select("a\nb\nc", regex="^b$") == "1: a\n2: b\n3: c"
    assert select("Ab", regex="(?i)AB") == "1: Ab"


def test_a_range_narrows_what_is_sought_and_keeps_the_numbers() -> None:
    assert select(LOG, lines="100-199", query="ERROR").splitlines()[1].startswith("142: 142: ERROR")
    assert select(LOG, lines="100-199", regex="ERR").splitlines()[1].startswith("142: 142: ERROR")
    assert select(LOG, query="full", regex=r"^2").splitlines()[1].startswith("242: 242: ERROR")


@pytest.mark.parametrize("pattern", ["(", "[a-", "a{2,1}", "*", "(?P<", r"\L<x>", "a" * 201, "(?<=a*)+b("])
def test_a_pattern_that_is_none_is_answered_by_a_sentence(pattern: str) -> None:
    assert select(LOG, regex=pattern).startswith(("(regex", "(the pattern is longer", "(no line"))


BOMBS = [
    ("(?R)", "a" * 5_000),
    (r"^(a?){200}a{200}b\1", "a" * 300),
    ("(x+x+)+y", "x" * 1_000_000),
    (r"^(?:.*?,){30}P", ("1," * 40 + "\n") * 2_000),
    ("((a|ab|b)*c?)*d", "ab" * 5_000),
]


@pytest.mark.parametrize(("pattern", "text"), BOMBS, ids=[pattern for pattern, _ in BOMBS])
def test_a_pattern_that_explodes_ends_in_time(pattern: str, text: str) -> None:
    select("the vocabulary of the tokenizer is loaded once")
    began = time.process_time()
    answer = select(text, regex=pattern)
    assert time.process_time() - began < 0.5
    assert answer.startswith(("(the pattern took longer than", "(no line holds"))


def test_at_least_one_of_these_patterns_really_explodes() -> None:
    assert "took longer" in select("a" * 300, regex=BOMBS[1][0])


def test_a_plain_path_picks_a_value_and_names_what_is_there_instead() -> None:
    text = json.dumps({"items": [{"id": 7, "tags": ["a"]}, {"id": 8}], "a.b": 1})
    assert select(text, path="items.0.id") == "7"
    assert select(text, path="$.items[1].id") == "8"
    assert select(text, path="items.0") == '{"id":7,"tags":["a"]}'
    assert select(text, path="items.9") == "(nothing at 'items.9': no '9' in a list of 2)"
    assert "items" in select(text, path="nothing")


def test_a_jsonpath_gives_one_value_a_line() -> None:
    assert select(DOCUMENT, path="$[?@.city=='Paris'].price") == "1.1\n3.3"
    assert select(DOCUMENT, path="$..city", lines="2-3") == '"Rome"\n"Paris"'
    assert select(DOCUMENT, path="$", query="oslo") == (
        '3: {"city":"Paris","price":3.3,"day":"2024-03-05"}\n4: {"city":"Oslo","price":"unknown","day":"2024-01-02"}'
    )
    assert select(SHAPES["JSON lines"], path="$[1].city") == "Rome"
    assert select(DOCUMENT, path="$.nothing") == "(nothing at '$.nothing'; the text is a list of 4)"
    assert "does not work" in select(DOCUMENT, path="$[?@.city==Paris]")


def nested(depth: int) -> str:
    value: object = 1
    for level in range(depth):
        value = {"x": value, "y": [value, 1]} if level < 12 else {"x": value}
    return json.dumps(value)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("$[?$[?@==$]]", json.dumps(list(range(50_000)))),
        ("$..[?$..[?$..a]]", nested(20)),
        ("$..*..*..*..*..*", nested(60)),
        ("$[?match(@,'(x+x+)+y')]", json.dumps(["x" * 200_000] * 3)),
        ("$[?@.a==$.a]", json.dumps({"a": [0] * 1_000, "b": [{"a": [0] * 1_000}] * 200})),
        ("$" + "[?@" * 90, "[]"),
        ("$[?" + "(" * 290, "[1]"),
        ("$..a", nested(400)),
    ],
    ids=lambda value: value[:20],
)
def test_a_path_that_explodes_ends_in_time(path: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonpath, "SECONDS", 0.2)
    began = time.thread_time()
    answer = select(text, path=path)
    assert time.thread_time() - began < 1.0
    assert answer.startswith("(")
    assert tokens.count(answer) <= LIMIT


@pytest.mark.parametrize(
    "path", ["", ".", "..", "[", "$", "0", "a" * 50_000, "items.99999999999999999999", "items." + "9" * 5_000, "\u0663"]
)
def test_an_odd_path_is_answered(path: str) -> None:
    assert tokens.count(select('{"items": [1, 2]}', path=path)) <= LIMIT


@pytest.mark.parametrize("depth", [100, 900, 990, 1_000, 5_000, 100_000])
@pytest.mark.parametrize("path", ["0", "$", "$..*"])
def test_deep_nesting_is_answered(depth: int, path: str) -> None:
    text = "[" * depth + "]" * depth
    assert tokens.count(select(text, path=path)) <= LIMIT
    assert tokens.count(select(text, aggregate="count")) <= LIMIT


def test_path_lines_and_query_narrow_one_after_another() -> None:
    text = json.dumps({"log": LOG})
    assert select(text, path="log", lines="42-142", query="full").count("ERROR") == 2


# ---------------------------------------------------------------------- aggregates


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_figures_are_the_same_in_each_shape(text: str) -> None:
    assert select(text, aggregate="count") == "count: 4"
    assert select(text, aggregate="sum:price") == "sum of price: 6.4 (1 of 4 have no number)"
    assert select(text, aggregate="max:price").startswith("max of price: 3.3 at ")
    assert select(text, aggregate="group:city") == "Paris: count 2\nOslo: count 1\nRome: count 1"
    assert select(text, aggregate="group:city sum:price").startswith("Paris: sum of price 4.4\nRome: sum of price 2\n")
    assert select(text, aggregate="min:day").startswith("min of day: 2024-01-02 at ")
    assert select(text, query="paris", aggregate="count") == "count: 2"
    assert select(text, regex="(?i)PARIS|rome", aggregate="sum:price") == "sum of price: 6.4"


@pytest.mark.parametrize(
    "asked",
    ["group:city sum:price", "group city, sum price", "group by city, sum(price)", "sum:price group:city",
     "GROUP_BY(city) SUM(price)"],
)  # fmt: skip
def test_what_models_write_means_the_same(asked: str) -> None:
    assert select(DOCUMENT, aggregate=asked).startswith("Paris: sum of price 4.4\n")


def test_a_path_feeds_an_aggregate() -> None:
    assert select(DOCUMENT, path="$..price", aggregate="sum") == "sum: 6.4 (1 of 4 have no number)"
    assert select(DOCUMENT, path="$[?@.city=='Paris']", aggregate="count avg:price") == "count: 2\navg of price: 2.2"
    assert select(json.dumps({"a": [{"b": {"c": 2}}] * 3}), path="$.a[*]", aggregate="sum:b.c") == "sum of b.c: 6"


def test_plain_lines_are_counted_and_a_group_of_the_pattern_is_a_field() -> None:
    assert select(LOG, aggregate="count") == "count: 1000"
    assert select(LOG, query="ERROR", aggregate="count") == "count: 10"
    assert select(LOG, query="nowhere", aggregate="count") == "count: 0"
    ids = [n * 7919 % 10007 for n in range(42, 1001, 100)]
    assert select(LOG, regex=r"ERROR.*id-(\d+)", aggregate="sum max:1") == (
        f"sum: {sum(ids)}\nmax of 1: {max(ids)} at line {42 + 100 * ids.index(max(ids))}"
    )
    assert select(LOG, regex=r": (?<what>\w+)", aggregate="group:what") == "ok: count 990\nERROR: count 10"


@pytest.mark.parametrize("asked", ["median:x", "sum", "price", "", " ", "sum:nothing", "group:", "count" * 1_000])
def test_an_aggregate_that_is_none_is_answered(asked: str) -> None:
    assert tokens.count(select(DOCUMENT, aggregate=asked)) <= LIMIT
    assert "city" in select(DOCUMENT, aggregate="sum:nothing")


def test_sums_are_exact_and_say_what_has_no_number() -> None:
    assert select(json.dumps([0.1] * 10), aggregate="sum") == "sum: 1"
    assert select("[1e308, 1e308, true, null, NaN]", aggregate="sum").startswith("sum: 2E+308 (")
    assert select('["1,234.5", "$2", "3 %", "1,2", "x"]', aggregate="sum") == "sum: 1239.5 (2 of 5 have no number)"


def test_many_groups_are_bounded_and_the_greatest_come_first() -> None:
    text = json.dumps([{"k": f"key {n % 999}"} for n in range(5_000)])
    answer = select(text, aggregate="group:k")
    assert answer.splitlines()[0] == "key 0: count 6"
    assert answer.splitlines()[-1] == "[... 959 of 999 groups follow; narrow with query]"
    assert tokens.count(answer) <= LIMIT


def test_a_key_of_the_text_cannot_pass_for_a_line_of_ours() -> None:
    answer = select(json.dumps([{"k": "a\n[... more lines follow; go on with lines=1-9 ...]"}]), aggregate="group:k")
    assert answer == '"a\\n[... more lines follow; go on with lines=1-9 ...]": count 1'


# ---------------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"query": "needle"},
        {"lines": "400000-400100"},
        {"path": "a"},
        {"query": "o"},
        {"regex": "needle"},
        {"aggregate": "count"},
    ],
    ids=["whole", "query", "lines", "path", "hits everywhere", "regex", "count"],
)
@pytest.mark.parametrize("text", [("look out\n" * 1_800_000)[:16_000_000], "o" * 16_000_000], ids=["lines", "one line"])
def test_the_largest_results_are_read_in_bounded_time(text: str, asked: dict[str, str]) -> None:
    began = time.process_time()
    answer = select(text, **asked)
    assert time.process_time() - began < 8
    assert tokens.count(answer) <= LIMIT


WORDS = st.none() | st.text(max_size=20)
RANGES = WORDS | st.from_regex(r"\d{1,3}-\d{0,3}", fullmatch=True)
PATHS = WORDS | st.sampled_from(["$", "$..*", "$..a", "a.0", "$[?@.a>1]", "$[0,1]", "$..[?@.a]"])
PATTERNS = WORDS | st.sampled_from([".", r"(\w+)", "(a|b)*c", "^", "$", r"(?<a>\d)", r"\s+", "[^a]*"])
FIGURES = WORDS | st.sampled_from(["count", "sum:a", "min:1", "group:a", "group:a max:b", "avg", "count:a group:b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab1"), inner, max_size=3),
)
TEXTS = st.one_of(
    st.text(max_size=300),
    VALUES.map(json.dumps),
    st.lists(VALUES.map(json.dumps), max_size=5).map("\n".join),
    st.lists(st.lists(st.sampled_from(["a", "b", "1", "2.5", '"', ""]), max_size=3).map(",".join)).map("\n".join),
)


@settings(max_examples=300)
@given(
    times=st.sampled_from((1, 500)), text=TEXTS,
    query=WORDS, lines=RANGES, path=PATHS, regex=PATTERNS, aggregate=FIGURES,
)  # fmt: skip
def test_no_question_raises_or_exceeds_the_limit_and_each_has_one_answer(
    times: int, text: str, **asked: str | None
) -> None:
    answer = select(text * times, **asked)
    assert tokens.count(answer) <= LIMIT
    assert answer == select(text * times, **asked)


LONG = st.sampled_from(("words " * 2_000, "(" * 9_000, "\ud800" * 3_000))
HANDLES = st.integers(0, 99).map(lambda n: f"res:{n:09}")


@settings(max_examples=200)
@given(
    times=st.sampled_from((1, 500)),
    texts=st.lists(st.tuples(HANDLES, TEXTS), max_size=6),
    query=WORDS | LONG,
    regex=PATTERNS | LONG,
)
def test_no_search_raises_or_exceeds_the_limit_and_each_has_one_answer(
    times: int, texts: list[tuple[str, str]], query: str | None, regex: str | None
) -> None:
    stored = [(handle, text * times) for handle, text in texts]
    answer = recall.search(stored, query=query, regex=regex)
    assert tokens.count(answer) <= LIMIT
    assert answer == recall.search(stored, query=query, regex=regex)


def test_arguments_take_whatever_a_model_sends() -> None:
    nothing = dict.fromkeys(recall.FIELDS)
    assert arguments({"ref": "res:1", "lines": 5, "more": 1}) == {**nothing, "ref": "res:1", "lines": "5"}
    assert arguments("res:1") == {**nothing, "ref": "res:1"}
    assert arguments([1]) == {**nothing, "ref": "[1]"}


def test_the_schema_names_its_arguments_and_stays_small() -> None:
    function = recall.schema()["function"]
    assert function["name"] == recall.NAME
    assert list(function["parameters"]["properties"]) == list(recall.FIELDS)
    assert tokens.count_tools([recall.schema()]) <= 194  # 134 before it could query
