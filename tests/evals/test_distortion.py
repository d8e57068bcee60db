"""The curve of success by context limit, and the least limit that keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from satchel.evals.compare import Result, compare
from satchel.evals.distortion import Point, b99, chart, lines, ordered
from satchel.evals.plan import TRIALS
from satchel.evals.report import read_result, render_html, render_markdown
from satchel.evals.statistics import Estimate
from satchel.evals.suite import suite
from satchel.memory.errors import ConfigError, PromptTooLarge
from satchel.memory.memory_store import MemoryStore

Data = dict[str, Any]

NAME = "knapsack-easy-bare"


def points(**shares: float | None) -> list[Point]:
    """Limits by their share of success."""
    return [
        Point(limit=f"+{name[1:]}", fits=1, share=Estimate(share), input_tokens=1, usd=None)
        for name, share in shares.items()
    ]


def test_b99_is_the_least_limit_from_which_on_success_is_kept() -> None:
    assert b99(points(n1=None, n2=0.995, n3=0.5, n4=0.99, n5=1.0)) == "+4"
    assert b99(points(n1=0.5)) is None


def test_limits_of_a_curve_are_of_one_kind_and_sorted() -> None:
    assert ordered(["+8000", "+900", "+8000"]) == ("+900", "+8000")
    assert ordered([]) == ()
    for wrong in (["+1"], ["+1", "2"], ["+1", "-2"], [""]):
        with pytest.raises(ConfigError, match=r"two or more|neither a number"):
            ordered(wrong)


async def curved(out: Path | None = None, *, seeds: Sequence[int] = (0, 1), workers: int = 1) -> Result:
    store = "memory://" if workers > 1 else MemoryStore()
    return await compare(
        NAME, ["stateful", "window"], seeds, store=store, prices=["no-cache"], out=out, workers=workers,
        curve=["+16000", "+100", "+2500"],
    )  # fmt: skip


async def test_a_comparison_tells_b99_and_where_nothing_fits(tmp_path: Path) -> None:
    data = (await curved(tmp_path)).to_json()
    curve = data["curves"]["stateful"]
    assert list(data["curves"]) == ["stateful"], "window and stateless have no context limit"
    assert [p["limit"] for p in curve["points"]] == ["+100", "+2500", "+16000"]
    assert [p["fits"] for p in curve["points"]] == [0, 2, 2]
    assert curve["points"][0]["share"] == 0.0
    assert curve["points"][2]["share"] == pytest.approx(1.0)
    assert curve["points"][1]["input_tokens"] <= curve["points"][2]["input_tokens"], "the smaller room sends no more"
    assert curve["b99"] in {"+2500", "+16000"}
    assert len(data["trials"]) == 6, "the trials of the curve are no pairs"
    assert read_result(tmp_path) == data

    lasts = [line.cells[0] for line in lines(data)]
    assert lasts[0] == "0.000 (2 of 2 do not fit)"
    assert lasts[-1] == curve["b99"]
    assert f"| B99 | {curve['b99']} |" in render_markdown(data)
    assert f"stateful keeps 99 % of success from {curve['b99']} on" in render_html(data)
    assert chart(data | {"curves": {}}) is None
    assert "B99" not in render_html(data | {"curves": {}})


async def test_processes_give_the_same_curve_and_repeat_no_trial(tmp_path: Path) -> None:
    one, many = await curved(tmp_path, seeds=[0]), await curved(seeds=[0], workers=2)
    assert one.curves == many.curves
    kept = (tmp_path / TRIALS).read_text()
    assert len({json.loads(line)["key"] for line in kept.splitlines()}) == 3 + 2, "of the curve, one does not fit"
    assert (await curved(tmp_path, seeds=[0])).curves == one.curves
    assert (tmp_path / TRIALS).read_text() == kept


async def test_a_limit_of_the_comparison_itself_must_hold_every_task() -> None:
    with pytest.raises(PromptTooLarge, match="raise context_limit to"):
        await compare(
            NAME, ["stateful"], [0], store=MemoryStore(), prices=["no-cache"], context_limit="+100"
        )  # fmt: skip


async def test_a_curve_needs_a_mode_with_a_context_limit() -> None:
    with pytest.raises(ConfigError, match="stateless, window: no mode with a context limit"):
        await compare(
            suite(NAME), ["window"], [0], store=MemoryStore(), prices=["no-cache"], curve=["+2000", "+3000"]
        )  # fmt: skip
