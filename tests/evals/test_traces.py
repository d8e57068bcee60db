"""Recorded trajectories as a suite: paired by trajectory, with success by proxy, labelled as replayed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from satchel.evals.analyze import Settings, analyze
from satchel.evals.compare import compare
from satchel.evals.plan import Setting
from satchel.evals.report import read_pairs
from satchel.evals.suite import suite, tasks
from satchel.memory.errors import ConfigError
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.mode import MODES
from tests.evals.written import trace

PRICES = ["no-cache", "c=.10,w=1.25"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    whole = json.loads(trace())
    cut = [json.dumps({**whole, "id": f"depot-{n}", "messages": whole["messages"][: 20 + 4 * n]}) for n in range(6)]
    (shelf / "depot.jsonl").write_text("\n".join(cut))
    return shelf


def test_trajectories_are_paired_and_judged_as_analyze_does(folder: Path, tmp_path: Path) -> None:
    name, out = f"traces:{folder}", tmp_path / "out"
    result = asyncio.run(
        compare(name, ["stateful"], range(6), store=MemoryStore(), prices=PRICES, context_limit="+1500", out=out)
    )
    assert result.kind == "replayed"
    by = {c.mode: c for c in result.comparisons}
    analysis = analyze(Settings.of("stateful", "+1500", PRICES), [folder])
    figures = analysis.total
    assert figures is not None
    assert sum(t.input_tokens for t in result.of("stateful")) == figures.ours.input
    assert sum(t.input_tokens for t in result.of("stateless")) == figures.full.input
    assert [t.success for t in result.of("stateless")] == [1.0] * 6
    assert by["stateful"].seeds == 6
    assert by["stateful"].token_ratio.value == pytest.approx(figures.ours.input / figures.full.input)
    shares = [one.figures.fidelity.shares()["complete"] for one in analysis.read]
    assert [t.success for t in result.of("stateful")] == shares
    data = json.loads((out / "result.json").read_text())
    assert {found["kind"] for found in data["modes"].values()} == {"replayed"}
    assert "success is a proxy" in (out / "report.md").read_text()
    assert all(0 < t.fixed_tokens < t.input_tokens for t in result.trials)
    assert read_pairs(out) == [], "there is no policy to play them again"


def test_other_trajectories_under_the_same_name_are_other_trials(folder: Path) -> None:
    from satchel.evals.traces import traces  # noqa: PLC0415 - its memory of what was read is cleared here

    name, setting = f"traces:{folder}", Setting(prices=("no-cache",))
    first = setting.digest(tasks(name, [0])[0], "stateless")
    (folder / "depot.jsonl").write_text((folder / "depot.jsonl").read_text().replace("brass", "steel"))
    traces.cache_clear()
    assert setting.digest(tasks(name, [0])[0], "stateless") != first


def test_what_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere names no folder or file"):
        suite(f"traces:{tmp_path / 'nowhere'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no transcripts in"):
        suite(f"traces:{tmp_path / 'empty'}")
    found = suite(f"traces:{folder}")
    assert found.recorded is not None
    with pytest.raises(ConfigError, match="has 6 trajectories"):
        found.recorded.trial(found.name, 6, MODES["stateless"], "+9", PRICES)
    with pytest.raises(ConfigError, match="cannot be played by a model"):
        found.make(0)
