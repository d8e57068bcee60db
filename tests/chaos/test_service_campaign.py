"""Slices of the service's campaign, and its control: without fences the same storm must be told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def storm(*words: str) -> tuple[int, dict[str, int]]:
    """The exit code of a campaign, and what it counted."""
    command = [sys.executable, "-m", "tests.chaos.service_campaign", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    rows = (line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if not line.startswith("  "))
    counts = {name: int(value.replace(",", "")) for name, value in rows}
    assert "violations" in counts, done.stderr
    return done.returncode, counts


def test_runs_keep_their_order_while_servers_are_killed_and_one_is_stopped_beyond_its_lease() -> None:
    code, counts = storm("--runs", "20", "--threads", "2", "--kills", "1", "--seed", "0")
    assert (code, counts["violations"], counts["runs"], counts["threads in order"]) == (0, 0, 20, 2)
    assert counts["stops beyond the lease"] == 1
    assert counts["refused: change"] >= 1


@pytest.mark.debian
def test_without_fences_the_same_storm_loses_runs() -> None:
    code, counts = storm("--runs", "20", "--threads", "2", "--kills", "1", "--seed", "0", "--control")
    assert code == 1
    assert counts["violations"] > 0


@pytest.mark.debian
def test_a_larger_slice_and_a_kill_at_every_fifth_step_of_a_runs_life_find_nothing_wrong() -> None:
    code, counts = storm("--runs", "60", "--threads", "6", "--kills", "3", "--points", "5", "--seed", "1")
    assert (code, counts["violations"]) == (0, 0)
    assert counts["points"] > 5
