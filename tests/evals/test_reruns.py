"""A rerun gives the same result.json but for times, with other processes and another seed of Python's hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from satchel.evals.suite import SUITES
from satchel.evals.trial import TIMES

Data = dict[str, Any]

CHOSEN = [n for n, s in SUITES.items() if "SATCHEL_CAMPAIGN" in os.environ or not s.tags & {"long", "medium"}]
"""The short suites; all of them in a campaign, which takes some ten minutes of two idle cores."""

LONGEST = 3_600 if "SATCHEL_CAMPAIGN" in os.environ else 300
"""Seconds that one suite may take: in a campaign so many that only a hang takes longer, else those of any test."""

FORGETFUL = {"service-flaky": ",mask,forget", "conflicts": ",langchain-summary,deepagents"}
"""Suites that are run in more modes: where tools fail and a customer answers, and where history is summarised."""


def run(suite: str, folder: Path, *, hashes: str, workers: int, modes: str) -> Data:
    """The document of one command."""
    command = [
        sys.executable, "-m", "satchel", "compare", suite, "--modes", modes, "--seeds", "2", "--workers", str(workers),
        "--store", "memory://", "--out", str(folder),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": hashes})
    document: Data = json.loads((folder / "result.json").read_text())
    return document


def steady(found: Data) -> Data:
    """The document without times, and without what is made of them."""
    sides = [*found["trials"], *found["modes"].values()]
    for side in sides:
        assert all(name in side for name in TIMES)
        for name in TIMES:
            del side[name]
    del found["pareto"]["seconds"], found["created"]
    return found


@pytest.mark.timeout(LONGEST)
@pytest.mark.debian  # each suite twice, in processes of their own: too long for the default tests
@pytest.mark.parametrize("suite", CHOSEN)
def test_a_rerun_gives_the_same_document(suite: str, tmp_path: Path) -> None:
    modes = "stateful" + FORGETFUL.get(suite, "")
    one = run(suite, tmp_path / "one", hashes="0", workers=1, modes=modes)
    two = run(suite, tmp_path / "two", hashes="4242", workers=2, modes=modes)
    assert steady(one) == steady(two)
    pairs = [(tmp_path / name / "pairs.json").read_bytes() for name in ("one", "two")]
    assert pairs[0] == pairs[1], "the prompts of the worst pairs, too"
