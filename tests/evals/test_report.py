"""The report opens with the verdict, loads nothing, runs nothing, and believes no text it is given."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from satchel.evals import sides
from satchel.evals.chart import panels, representative
from satchel.evals.compare import Result, compare
from satchel.evals.prompt_tape import prompts
from satchel.evals.report import charts as all_charts
from satchel.evals.report import (
    read_pairs,
    read_result,
    render_html,
    render_markdown,
    rewrite,
    write_pictures,
    write_report,
)  # fmt: skip
from satchel.evals.sides import rows
from satchel.evals.suite import suite
from satchel.evals.trade import trade
from satchel.memory.errors import ConfigError
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.prices import STANDING
from tests.evals.browser import chromium

Data = dict[str, Any]


@pytest.fixture(scope="module")
def result() -> Result:
    of, store = suite("knapsack-easy-verbose"), MemoryStore()
    run = compare(of, ["stateful", "window"], range(5), store=store, prices=STANDING, context_limit="+3000")
    return asyncio.run(run)


@pytest.fixture
def data(result: Result) -> Data:
    return result.to_json()


class Page(HTMLParser):
    """Tags that are open, all attributes, and the text of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_verdict_comes_before_every_figure(data: Data) -> None:
    html, markdown = render_html(data).replace("\u00a0", " "), render_markdown(data)
    assert data["verdict"] in html
    assert html.index(data["verdict"]) < html.index("<table>")
    assert markdown.index(data["verdict"]) < markdown.index("| success |")
    assert "simulated" in html
    assert "Simulated" in markdown


def test_the_page_is_well_formed_and_loads_and_runs_nothing(data: Data) -> None:
    page = Page(render_html(data))
    assert page.open == []
    assert not [tag for tag, _, _ in page.attributes if tag in ("script", "link", "img", "iframe")]
    assert not [name for _, name, _ in page.attributes if name in ("src", "href", "style") or name.startswith("on")]


def test_the_policy_allows_the_one_style_and_nothing_else(data: Data) -> None:
    html = render_html(data)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert policy
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1].startswith("default-src 'none'")
    assert f"style-src 'sha256-{digest}'" in policy[1].replace("&#43;", "+")


def test_text_from_outside_stays_text(data: Data) -> None:
    nasty = "<script>alert(1)</script>"
    html = render_html({**data, "suite": nasty, "summary": nasty, "model": nasty, "verdict": nasty})
    assert "<script" not in html.lower()


def test_every_chart_says_in_words_what_it_shows(data: Data) -> None:
    html = render_html(data)
    every = sum(map(len, all_charts(data).values()))
    assert every == 1 + 1 + 3 + len(data["prices"])
    counts = [html.count(word) for word in ("<svg", "<title id=", "<desc id=", "<summary>The figures</summary>")]
    assert counts == [every] * 4
    charts = panels(data["trials"], list(data["modes"]))
    assert [c.name for c in charts] == ["stateless", "stateful", "window"]
    assert "folds (turns" in charts[1].text
    assert charts[1].ceiling is not None
    assert charts[0].ceiling is None


def test_success_stands_against_dollars_with_the_front_of_what_nothing_beats(data: Data) -> None:
    chart = trade(data)
    assert chart
    price = data["prices"][0]
    assert [row[1] for row in chart.rows] == ["stateless", "stateful", "window"]
    assert [row[4] == "yes" for row in chart.rows] == [mode in data["pareto"]["usd"] for mode in data["modes"]]
    ratio = data["modes"]["stateful"]["usd"][price] / data["modes"]["stateless"]["usd"][price]
    assert chart.rows[1][3] == f"{ratio:.3f}"
    assert all(abs(a[0] - b[0]) >= 22 or abs(a[2] - b[2]) >= 22 for a, b in combinations(chart.points, 2))
    unknown = {m: v | {"usd": dict.fromkeys(v["usd"])} for m, v in data["modes"].items()}
    assert trade(data | {"modes": unknown}) is None


def test_what_the_charts_say_stands_in_the_result_too(data: Data) -> None:
    price = data["prices"][0]
    found = data["crossover"]["stateful"][price]
    assert found["pairs"] == 5
    assert any(f"in {found['ahead']} of 5 pairs" in c.text or "in none" in c.text for c in all_charts(data)["dollars"])
    parts = data["waterfall"]
    assert parts["start"] - sum(p["saved"] for p in parts["parts"]) == pytest.approx(parts["end"])
    assert parts["end"] == pytest.approx(sum(t["usd"][price] for t in data["trials"] if t["mode"] == "stateful"))


def test_charts_show_the_median_case(data: Data) -> None:
    case = representative(data["trials"], "stateless")
    sizes = sorted(t["input_tokens"] for t in data["trials"] if t["mode"] == "stateless")
    shown = next(t for t in data["trials"] if t["mode"] == "stateless" and t["case"] == case)
    assert shown["input_tokens"] == sizes[2]


def test_the_markdown_table_has_every_measure_and_price_row(data: Data) -> None:
    markdown = render_markdown(data)
    assert "|  | stateless (simulated) | stateful (simulated) | window (simulated) |" in markdown
    assert all(f"| dollars at {row} |" in markdown for row in data["prices"])
    assert "| bytes in the store |" in markdown
    assert "1.000×" in markdown  # noqa: RUF001 - the sign of the report
    assert "\n\n\n\n" not in markdown


MEASURES = {
    "success_mean": "success", "solved": "solved", "first_reply_seconds": "seconds to the first reply",
    "seconds": "seconds", "model_calls": "model calls", "tool_calls": "tool calls", "tool_accuracy": "tool accuracy",
    "repeated_tool_calls": "repeated tool calls", "extra_steps": "steps beyond the oracle's",
    "input_tokens": "input tokens", "cached_tokens": "of which cached prefix",
    "tokens": "of which billed as cache write", "output_tokens": "output tokens", "usd": "dollars at c=.10,w=1.25",
    "usd_per_solved": "cost per solved task at c=.10,w=1.25", "score_per_1k_tokens": "score per 1k tokens",
    "amnesia_tax": "amnesia tax", "fault_rate": "fault rate", "stale_exposure": "stale exposure",
    "agreement": "action agreement", "diverged": "trials that ever differ from the oracle",
    "first_divergence": "first call that differs, median", "recovery": "failure recovery",
    "store_bytes": "bytes in the store", "round_trips": "round trips to the store",
}  # fmt: skip
"""Every measure of a mode in result.json, and its name in the report."""


def test_every_measure_stands_in_the_result_and_in_both_reports(data: Data) -> None:
    words, markdown = Page(render_html(data)).words, render_markdown(data)
    for field, name in MEASURES.items():
        assert all(field in mode for mode in data["modes"].values()), field
        assert name in words, name
        assert f"| {name} |" in markdown, name
    assert "GPU seconds" not in words, "nothing was played on a device without a price"
    timed = {mode: found | {"gpu_seconds": 90.0} for mode, found in data["modes"].items()}
    assert "| GPU seconds | 18.00 | 18.00 | 18.00 |" in render_markdown(data | {"modes": timed})


def test_a_report_can_be_written_again_from_its_result(result: Result, tmp_path: Path) -> None:
    write_report(result, tmp_path)
    first = (tmp_path / "report.html").read_text()
    write_report(result.to_json(), tmp_path)
    assert (tmp_path / "report.html").read_text() == first


async def test_a_run_of_the_baseline_alone_is_reported_without_a_verdict() -> None:
    alone = await compare(suite("knapsack-easy-bare"), [], [0], store=MemoryStore(), prices=["no-cache"])
    assert "name another mode" in render_markdown(alone.to_json())
    assert Page(render_html(alone.to_json())).open == []


NASTY = "<script>alert(1)</script></pre></details>\x00\x1b[2J\u202egnp.exe\ud800 | & \" ' `a` ![x](http://x/y.png)\n# b"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report folder as `compare` writes it, its worst pairs with their prompts."""
    out = tmp_path_factory.mktemp("report")
    of = suite("knapsack-easy-verbose")
    run = compare(of, ["stateful"], range(2), store=MemoryStore(), prices=["no-cache"], context_limit="+3000", out=out)
    asyncio.run(run)
    return out


def test_the_worst_pairs_carry_the_very_prompts_of_their_trials(opened: Path) -> None:
    data, pairs = read_result(opened), read_pairs(opened)
    digests = {(t["case"], t["mode"]): t["prompts"] for t in data["trials"]}
    assert [(pair["case"], side) for pair in pairs for side in ("base", "ours")]
    for pair in pairs:
        for side in (pair["base"], pair["ours"]):
            assert side["prompts"] == digests[pair["case"], side["mode"]]
        sent = prompts(pair["base"])
        assert all(now[: len(before)] == before for before, now in pairwise(sent)), "stateless only appends"
        assert len(pair["base"]["turns"]) == next(
            t["model_calls"] for t in data["trials"] if (t["case"], t["mode"]) == (pair["case"], "stateless")
        )


def test_the_page_opens_them_turn_by_turn_with_what_a_fold_dropped(opened: Path) -> None:
    data, pairs = read_result(opened), read_pairs(opened)
    page = (opened / "report.html").read_text("utf-8")
    first = rows(data, pairs)[0]
    folded = next(turn for turn in first.turns if turn.ours and turn.ours.folded)
    assert folded.ours
    assert folded.ours.dropped
    assert f"turn {folded.number} <span" in page
    assert "messages of the prompt before" in page
    assert not [turn for turn in first.turns if turn.base and turn.base.dropped], "stateless drops nothing"


def test_a_message_that_ends_with_the_latest_state_says_so() -> None:
    said = {"role": "user", "content": "go on [2 steps]", "volatile": 9}
    assert (sides._role(said), sides._role({**said, "volatile": 0})) == ("user with the latest state", "user")


def test_determinism_is_told_as_it_was_seen(opened: Path) -> None:
    data = read_result(opened)
    assert data["determinism"] == {"played_again": 4, "identical": 4}
    for page in (render_html(data), render_markdown(data)):
        assert "4 trials were played again; 4 of them with the same prompts, byte for byte." in page


def test_what_was_recorded_is_not_played_again(opened: Path) -> None:
    before = (opened / "pairs.json").read_bytes()
    changed = json.loads(before)
    changed["pairs"][0]["base"]["texts"][0]["content"] = "kept as it is"
    (opened / "pairs.json").write_text(json.dumps(changed))
    of = suite("knapsack-easy-verbose")
    again = compare(
        of, ["stateful"], range(2), store=MemoryStore(), prices=["no-cache"], context_limit="+3000", out=opened
    )
    asyncio.run(again)
    assert read_pairs(opened)[0]["base"]["texts"][0]["content"] == "kept as it is"
    (opened / "pairs.json").write_bytes(before)


def test_pairs_that_do_not_fit_are_listed_without_their_prompts(opened: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "PAGE", 1)
    every = rows(read_result(opened), read_pairs(opened))
    assert len(every) == 2
    assert not any(row.turns for row in every)


def nasty(folder: Path) -> tuple[Data, list[Data]]:
    """A result in which every text from outside is hostile, one of them a line of a million characters."""
    data, pairs = read_result(folder), list(read_pairs(folder))
    for pair in pairs:
        for side in (pair["base"], pair["ours"]):
            for text in side["texts"]:
                text["content"] = NASTY + text["content"]
            side["texts"][-1]["content"] = NASTY + "x" * 1_000_000
            side["turns"][0]["reply"] = {"text": NASTY, "calls": [{"name": NASTY, "args": {NASTY: NASTY}}]}
    names = {"stateful": "mode", data["suite"]: "suite", "easy": "tag", "done": "outcome"}
    for name, kind in names.items():
        data, pairs = (json.loads(json.dumps(of).replace(json.dumps(name), json.dumps(kind + NASTY)))
                       for of in (data, pairs))  # fmt: skip
    words = ("summary", "model", "verdict", "kind", "git", "created")
    return data | {word: word + NASTY for word in words}, pairs


def test_hostile_text_stays_text_and_acts_unseen_nowhere(opened: Path) -> None:
    html = render_html(*nasty(opened))
    assert Page(html).open == []
    assert "<script" not in html.lower()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert "\\u202e" in html
    assert "992,000" in html or "characters more" in html
    assert len(html) < 3_000_000
    markdown = render_markdown(nasty(opened)[0])
    assert "<script" not in markdown
    assert not re.search(r"(?<!\\)[\[\]`]", markdown.replace("`stateless`", "")), "no link, no picture, no code"
    assert [line for line in markdown.splitlines() if line.startswith("#")][1:] == [], "one heading, the page's own"


def test_the_table_of_a_readme_is_rewritten_in_place(data: Data, tmp_path: Path) -> None:
    text = tmp_path / "README.md"
    mark = f"<!-- table: satchel compare {data['suite']} -->"
    text.write_text(
        f"Before\n{mark}\n| mean | x |\n|---|---:|\n| success | 0 |\n| folds | 0 |\n<!-- /table -->\nAfter\n"
    )
    rewrite(data, text)
    lines = text.read_text().splitlines()
    assert lines[2] == "| mean | stateless | stateful | window |"
    assert [line.split(" | ")[0] for line in lines[4:6]] == ["| success", "| folds"]
    assert (lines[0], lines[-1]) == ("Before", "After")
    for wrong in ("no table", f"{mark}\n| a | b |\n|---|---:|\n| speed | 1 |\n<!-- /table -->"):
        text.write_text(wrong)
        with pytest.raises(ConfigError, match=r"table|speed"):
            rewrite(data, text)


def test_each_chart_is_drawn_as_a_picture(data: Data, tmp_path: Path) -> None:
    made = write_pictures(data, tmp_path)
    assert len(made) == sum(map(len, all_charts(data).values()))
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 2_000 for path in made)


@pytest.mark.debian
@pytest.mark.parametrize("hostile", [False, True])
def test_a_real_browser_shows_the_page_without_an_error_or_a_request(
    opened: Path, tmp_path: Path, *, hostile: bool
) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_html(*(nasty(opened) if hostile else (read_result(opened), read_pairs(opened)))), "utf-8")
    with chromium(tmp_path / "profile") as browser:
        pictures = {}
        for width, dark in ((390, False), (390, True), (1280, False), (1280, True)):
            browser.show(page, width=width, dark=dark)
            browser.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
            assert browser.value("document.documentElement.scrollWidth") <= width, "nothing is wider than the screen"
            pictures[width, dark] = browser.picture(tmp_path / f"{width}-{dark}.png")
            assert browser.value("document.querySelectorAll('.pair').length") == 2
            assert browser.value("document.querySelectorAll('.turn').length") > 10
            assert browser.value(NARROW) == 0, "a measure's name reads as words"
            assert browser.value(UNNAMED) == 0, "every chart has a title, a description and a table"
        assert len(set(pictures.values())) == 4, "dark and light, phone and desk are four different pages"
        asked = {event["request"]["url"] for event in browser.of("Network.requestWillBeSent")}
        assert asked == {page.as_uri()}
        assert browser.of("Log.entryAdded") == browser.of("Runtime.exceptionThrown") == []
        assert browser.of("Runtime.consoleAPICalled") == []


NARROW = "[...document.querySelectorAll('section > .scroll tbody th')].filter(th => th.clientWidth < 80).length"
"""Names of measures squeezed to a column of letters."""

UNNAMED = """[...document.querySelectorAll('svg')].filter(svg => {
  const named = svg.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id));
  return named.length != 2 || named.some(n => !n || !n.textContent) || !svg.parentElement.querySelector('table td');
}).length"""
"""Charts without a text alternative."""
