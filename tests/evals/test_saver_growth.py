"""What a plain `add_messages` graph stores follows what it learns; the commands tell the figures for 1,000 steps."""

from __future__ import annotations

import pytest

from satchel.evals.saver_growth import measure
from satchel.evals.saver_pace import pace, table


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_storage_is_at_most_twice_the_results_and_linear(durability: str) -> None:
    short, long = [await measure("RedisSaver", steps=steps, size=2048, durability=durability) for steps in (20, 80)]
    assert long.stored <= 2.0 * long.raw
    assert (long.stored - short.stored) / 60 <= 1.02 * short.stored / 20


async def test_the_pace_of_savers_is_measured_by_turns() -> None:
    times = await pace(["none", "looking", "RedisSaver"], [5, 200], rounds=1, size=2048)
    lines = table(times)
    assert [line.split()[0] for line in lines] == ["none"] * 2 + ["looking"] * 2 + ["RedisSaver"] * 2
    assert all("own share" in line for line in lines[2:])
    late, early = (min(step.processor for step in times["RedisSaver", length]) for length in (200, 5))
    assert late <= 3 * early
