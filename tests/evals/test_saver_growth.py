"""What a plain `add_messages` graph stores follows what it learns; its command tells the figures for 1,000 steps."""

from __future__ import annotations

import pytest

from satchel.evals.saver_growth import measure


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_storage_is_at_most_twice_the_results_and_linear(durability: str) -> None:
    short, long = [await measure("RedisSaver", steps=steps, size=2048, durability=durability) for steps in (20, 80)]
    assert long.stored <= 2.0 * long.raw
    assert (long.stored - short.stored) / 60 <= 1.02 * short.stored / 20
