"""`satchel threads` as a stranger uses it: files, pipes, full disks, wrong words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def listed(inside: Run) -> dict[str, dict[str, object]]:
    return {row["thread"]: row for row in json.loads(inside("threads", "ls", "--json").stdout)}


def test_a_thread_is_exported_imported_forked_and_removed(inside: Run, tmp_path: Path) -> None:
    inside("run", "pack this", "--model", "sim:echo", "--thread", "packed")
    file = tmp_path / "packed.thread"
    told = json.loads(inside("threads", "export", "packed", str(file), "--json").stdout)
    assert (told["thread"], told["entries"], told["fields"]) == ("packed", 5, 0)
    assert file.stat().st_mode & 0o777 == 0o600
    assert "exists already" in inside("threads", "export", "packed", str(file), code=2).stderr
    made = inside("threads", "import", str(file)).stdout.strip()
    assert made.startswith("packed-")
    again = inside("threads", "import", str(file), code=1)
    assert f"there is a thread '{made}'" in again.stderr
    assert json.loads(inside("threads", "import", str(file), "--thread", "named", "--json").stdout)["entries"] == 5
    inside("threads", "fork", "packed", "forked")
    within = inside("threads", "fork", "packed", "other", "--at", "2", code=2)
    assert "no turn boundary; fork it at 1 or 3" in within.stderr
    rows = listed(inside)
    assert rows["forked"]["bytes"] == 0
    assert rows["packed"]["outcome"] == rows[made]["outcome"] == "done"
    for name in ("packed", made, "named", "forked"):
        inside("threads", "rm", name)
    assert {"packed", made, "named", "forked"} & set(listed(inside)) == set()


def test_a_thread_goes_through_a_pipe(satchel: Run, folder: Path, environment: dict[str, str]) -> None:
    satchel("run", "pipe this", "--model", "sim:echo", "--thread", "piped")
    words = [sys.executable, "-m", "satchel", "threads"]
    out = subprocess.run([*words, "export", "piped", "-"], capture_output=True, cwd=folder, env=environment, check=True)
    assert out.stdout[:8] == b"\xc1SATCHEL"
    done = subprocess.run(
        [*words, "import", "-", "--thread", "unpiped"],
        input=out.stdout, capture_output=True, cwd=folder, env=environment, check=True,
    )  # fmt: skip
    assert done.stdout == b"unpiped\n"
    cut = subprocess.run(
        [*words, "import", "-"], input=out.stdout[:-9], capture_output=True, cwd=folder, env=environment, check=False
    )
    assert cut.returncode == 1
    assert b"the file ends inside it" in cut.stderr
    with Path("/dev/full").open("wb") as full:
        lost = subprocess.run(
            [*words, "export", "piped", "-"],
            stdout=full, stderr=subprocess.PIPE, cwd=folder, env=environment, check=False,
        )  # fmt: skip
    assert lost.returncode == 1
    assert lost.stderr == b"error: stdout cannot be written: No space left on device; nothing is exported\n"


def test_threads_are_pruned_by_age_and_outcome(inside: Run) -> None:
    inside("run", "old", "--model", "sim:echo", "--thread", "old")
    inside("run", "go", "--agent", "agents:busy", "--thread", "stopped", code=3)
    dry = json.loads(
        inside("threads", "prune", "--older-than", "0s", "--outcome", "done", "--dry-run", "--json").stdout
    )
    assert "old" in [row["thread"] for row in dry["removed"]]
    assert "stopped" not in [row["thread"] for row in dry["removed"]]
    assert "old" in listed(inside)
    assert json.loads(inside("threads", "prune", "--older-than", "1w", "--json").stdout)["removed"] == []
    assert json.loads(inside("threads", "prune", "--json").stdout) == {"removed": [], "held": [], "expired": []}
    inside("threads", "prune", "--older-than", "0s", "--outcome", "steps")
    assert "stopped" not in listed(inside)
    assert "old" in listed(inside)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["export", "nowhere", "-", "--json"], 2, "name a file"),
        (["import", "missing.thread"], 2, "No such file"),
        (["import", "agents.py"], 1, "at byte 0: this is no thread"),
        (["fork", "nowhere", "x"], 1, "no thread 'nowhere'"),
        (["prune", "--older-than", "30"], 2, "write 90s, 30m, 12h, 30d or 2w"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence(inside: Run, words: list[str], code: int, says: str) -> None:
    done = inside("threads", *words, code=code)
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
