"""Storage follows information: a slice of `python -m satchel.evals.endurance`; its figures stand in evals/README.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from satchel.evals.endurance import RAW, measure

SNAPSHOT = 500
"""Bytes a turn that one snapshot more in the late window than in the early one may make."""


@pytest.mark.parametrize("mode", ["stateful", "stateless"])
async def test_a_turn_costs_the_same_bytes_early_and_late(mode: str, tmp_path: Path) -> None:
    growth = await measure(mode, 120, tmp_path)
    assert growth.log_bytes <= 1.10 * RAW
    assert growth.else_late < 800
    assert growth.else_late < growth.else_early + 64 + SNAPSHOT  # positions and handles grow by digits, no more
    if mode == "stateful":  # a stateless thread is its whole transcript
        assert growth.open_late < 3 * growth.open_early
