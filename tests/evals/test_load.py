"""A ramp counts what failed, says where it breaks, and holds each level against the bare graph."""

from __future__ import annotations

from dataclasses import replace

import pytest

from satchel.evals.bench import bench
from satchel.evals.load import Level, Load, Simulated, bare, ours, ramp
from satchel.memory.errors import ConfigError
from satchel.memory.memory_store import MemoryStore


async def test_each_level_runs_all_its_runs_and_leaves_no_thread() -> None:
    store = MemoryStore()
    found = await ramp(store, levels=[1, 4], latency=0.002, turns=3, runs=2)
    assert [(at.concurrent, at.runs, at.errors) for at in found.levels] == [(1, 2, 0.0), (4, 8, 0.0)]
    for at in found.levels:
        assert at.bare_p50 >= 0.002 * 3
        assert 0.002 * 3 <= at.p50 <= at.p95 <= at.p99
        assert at.ratio == pytest.approx(at.p50 / at.bare_p50)
    assert await store.threads("load") == []


async def test_a_run_that_does_not_end_well_is_an_error() -> None:
    model = Simulated(0, 5)
    assert await ours(model, MemoryStore(), mode="stateless", turns=5)()
    assert not await ours(model, MemoryStore(), mode="stateless", turns=2)(), "a budget of steps ends it early"
    assert await bare(model)()


def test_the_breaking_point_is_the_first_level_that_is_too_slow_or_fails() -> None:
    at = Level(concurrent=1, runs=9, errors=0, p50=1, p95=1, p99=1, rate=1, bare_p50=1, ratio=1, overhead_ms=0)
    levels = (at, replace(at, concurrent=5, p95=1.9), replace(at, concurrent=10, p95=2.1))
    load = Load(latency=0, turns=1, mode="stateful", levels=levels)
    assert load.breaking_point == 10
    assert replace(load, levels=(at, replace(at, concurrent=5, errors=0.02))).breaking_point == 5
    assert replace(load, levels=(at,)).breaking_point is None


@pytest.mark.parametrize("wrong", [{"levels": []}, {"levels": [0]}, {"runs": 0}, {"turns": 0}, {"latency": -1}])
async def test_what_is_no_ramp_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        await ramp(MemoryStore(), **{"levels": [1], "latency": 0, "turns": 1, "runs": 1, **wrong})  # type: ignore[arg-type]  # wrong on purpose


async def test_the_bench_gives_ratios() -> None:
    found = await bench(MemoryStore(), turns=4, rounds=1)
    assert len(found) == 4
    assert all(one.ratio > 0 for one in found)
