"""The report opens with the verdict, loads nothing, runs nothing, and believes no text it is given."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from satchel.evals.chart import panels, representative
from satchel.evals.compare import Result, compare
from satchel.evals.report import charts as all_charts
from satchel.evals.report import render_html, render_markdown, write_report
from satchel.evals.suite import suite
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.prices import STANDING

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
    html, markdown = render_html(data), render_markdown(data)
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
    assert every == 1 + 3 + len(data["prices"])
    counts = [html.count(word) for word in ("<svg", "<title id=", "<desc id=", "<summary>The figures</summary>")]
    assert counts == [every] * 4
    charts = panels(data["trials"], list(data["modes"]))
    assert [c.name for c in charts] == ["stateless", "stateful", "window"]
    assert "folds (turns" in charts[1].text
    assert charts[1].ceiling is not None
    assert charts[0].ceiling is None


def test_charts_show_the_median_case(data: Data) -> None:
    case = representative(data["trials"], "stateless")
    sizes = sorted(t["input_tokens"] for t in data["trials"] if t["mode"] == "stateless")
    shown = next(t for t in data["trials"] if t["mode"] == "stateless" and t["case"] == case)
    assert shown["input_tokens"] == sizes[2]


def test_the_markdown_table_has_every_measure_and_price_row(data: Data) -> None:
    markdown = render_markdown(data)
    assert "|  | stateless | stateful | window |" in markdown
    assert all(f"| dollars at {row} |" in markdown for row in data["prices"])
    assert "| bytes in the store |" in markdown
    assert "1.000×" in markdown  # noqa: RUF001 - the sign of the report
    assert "\n\n\n\n" not in markdown


def test_a_report_can_be_written_again_from_its_result(result: Result, tmp_path: Path) -> None:
    write_report(result, tmp_path)
    first = (tmp_path / "report.html").read_text()
    write_report(result.to_json(), tmp_path)
    assert (tmp_path / "report.html").read_text() == first


async def test_a_run_of_the_baseline_alone_is_reported_without_a_verdict() -> None:
    alone = await compare(suite("knapsack-easy-bare"), [], [0], store=MemoryStore(), prices=["no-cache"])
    assert "name another mode" in render_markdown(alone.to_json())
    assert Page(render_html(alone.to_json())).open == []


@pytest.mark.debian
def test_a_real_browser_shows_the_page_without_an_error(data: Data, tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(render_html(data), encoding="utf-8")
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: run `bash .ci/run` as root on Debian, or install the package chromium"
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    shown = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet, "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}",
         "--window-size=420,2400", f"--screenshot={picture}", page.as_uri()],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "CONSOLE" not in shown.stderr, shown.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000, "an empty page compresses to less"
