"""Trials in processes of their own: the same results, kept as they come, never run twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from satchel.evals.compare import Result, compare
from satchel.evals.plan import TRIALS, Kept, Setting
from satchel.evals.suite import SUITES, Task
from satchel.evals.trial import TIMES
from satchel.memory.errors import ConfigError
from satchel.memory.memory_store import MemoryStore

NAME = "conflicts-rows"
PRICES = ["c=.10,w=1.25"]


async def compared(out: Path | None = None, *, workers: int = 1) -> Result:
    store = MemoryStore() if workers == 1 else "memory://"
    return await compare(NAME, ["window"], range(2), store=store, prices=PRICES, out=out, workers=workers)


def steady(result: Result) -> list[dict[str, object]]:
    return [{k: v for k, v in t.to_json().items() if k not in TIMES} for t in result.trials]


async def test_processes_give_the_same_trials_in_the_same_order() -> None:
    assert steady(await compared(workers=2)) == steady(await compared())


async def test_what_is_kept_is_not_run_again_and_gives_the_same_result(tmp_path: Path) -> None:
    first = await compared(tmp_path)
    lines = (tmp_path / TRIALS).read_text()
    (tmp_path / TRIALS).write_text("".join(lines.splitlines(keepends=True)[:3]) + '{"key": "torn')
    again = await compared(tmp_path)
    assert steady(again) == steady(first)
    assert [t.seconds for t in again.trials[:3]] == [t.seconds for t in first.trials[:3]]
    keys = [json.loads(line)["key"] for line in (tmp_path / TRIALS).read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 4


def test_a_comparison_that_is_killed_goes_on_without_repeating_a_trial(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "satchel", "compare", NAME, "--modes", "window", "--seeds", "8", "--prices", PRICES[0],
        "--store", "memory://", "--workers", "2", "--out", str(tmp_path),
    ]  # fmt: skip
    kept = tmp_path / TRIALS
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("10 of 16 trials")
        process.send_signal(signal.SIGKILL)
    whole = [line for line in kept.read_text().splitlines() if line.endswith("}}")]
    assert 10 <= len(whole) < 16
    subprocess.run(command, check=True, capture_output=True)
    lines = kept.read_text().splitlines()
    assert lines[: len(whole)] == whole
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 16


def test_all_that_decides_a_trial_is_in_its_digest() -> None:
    task, setting = Task(SUITES[NAME], 0, 1), Setting(prices=("no-cache",))
    others = [
        setting.digest(task, "mask"),
        setting.digest(Task(SUITES[NAME], 0, 2), "window"),
        setting.digest(Task(SUITES[NAME], 1, 1), "window"),
        Setting(prices=("c=.10,w=1.25",)).digest(task, "window"),
        Setting(prices=("no-cache",), context_limit="9000").digest(task, "window"),
        Setting(prices=("no-cache",), model="m").digest(task, "window"),
    ]
    assert len({setting.digest(task, "window"), *others}) == 7


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / TRIALS).write_text('{"key": 1}\n')
    with pytest.raises(ConfigError, match="choose another --out"):
        Kept(tmp_path)
