"""A slice of the campaign, and its witness: it tells each thing that may go wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from satchel.memory.codec import encode
from satchel.memory.records import Opened, Reply, Result, Usage
from tests.chaos import supersteps
from tests.chaos.witness import Witness

ROOT = Path(__file__).parents[2]

OPEN = encode(Opened(salt="00"), "open")
FIRST = encode(Reply(step=0, text="a", model="m", usage=Usage()), "m0")
DONE = encode(Result(call="c", text="b"), "c0-0")
LOG = [OPEN, FIRST, DONE]


def commit(op: str, seq: int, entry: bytes) -> dict[str, Any]:
    return {"kind": "commit", "op": op, "seq": seq, "sha": [sha256(entry).hexdigest()]}


BEGIN = {"kind": "tool", "name": "post", "key": "t:0-0"}
TOLD = [commit("open", 0, OPEN), commit("m0", 1, FIRST), BEGIN, commit("c0-0", 2, DONE)]


def fields(log: Sequence[bytes]) -> dict[bytes, bytes]:
    return {b"n": b"%d" % len(log), **{b"%d" % n: entry for n, entry in enumerate(log)}}


@pytest.fixture
def look(tmp_path: Path) -> Callable[[Sequence[dict[str, Any]], Sequence[bytes]], list[str]]:
    """What a witness finds wrong, after these notes, with this log."""
    witness = Witness(tmp_path / "trail", "t")
    witness.trail.touch()

    def looked(notes: Sequence[dict[str, Any]], log: Sequence[bytes]) -> list[str]:
        with witness.trail.open("a") as file:
            file.writelines(json.dumps(note) + "\n" for note in notes)
        witness.look(fields(log))
        return witness.end(witness)

    return looked


def test_the_witness_finds_nothing_where_nothing_is_wrong(look: Any) -> None:
    assert look(TOLD, LOG) == []


@pytest.mark.parametrize("log", [LOG[:2], [*LOG[:2], encode(Result(call="c", text="B"), "c0-0")]])
def test_a_lost_or_altered_commit_is_told(look: Any, log: list[bytes]) -> None:
    assert look(TOLD, log) == ["the acknowledged commit c0-0 is lost or altered"]


def test_a_log_that_changes_between_two_looks_is_told(look: Any) -> None:
    look(TOLD[:3], LOG)
    assert look([], LOG[:2]) == ["what stood in the log has changed (3 entries, then 2)"]


def test_a_completed_call_and_a_write_that_run_again_are_told(look: Any) -> None:
    look(TOLD, LOG)
    assert look([BEGIN], LOG) == ["the completed call t:0-0 ran again", "the write t:0-0 ran again"]


def test_a_result_of_a_call_that_never_ran_is_told(look: Any) -> None:
    assert look([note for note in TOLD if note is not BEGIN], LOG) == ["the result of t:0-0 came from nowhere"]


def test_a_commit_that_stands_twice_is_told(look: Any) -> None:
    found = look(TOLD, [*LOG, FIRST])
    assert found == ["m0 stands in the log 2 times", "('reply', 0) stands in the log 2 times"]


def test_a_finished_task_that_runs_again_and_a_wrong_end_are_told(tmp_path: Path) -> None:
    notes = [
        {"kind": "begin", "name": "0-0"},
        {"kind": "kept", "names": ["0-0"]},
        {"kind": "begin", "name": "0-0"},
        {"kind": "end", "done": ["0-0"]},
    ]
    (tmp_path / "trail").write_text("".join(json.dumps(note) + "\n" for note in notes))
    faults, _, ended = supersteps.judge(tmp_path / "trail")
    assert faults == ["the finished task 0-0 ran again", "the graph has done ['0-0']"]
    assert ended


def test_a_slice_of_the_campaign_finds_nothing_wrong() -> None:
    kills = ["--client-kills", "10", "--server-kills", "2", "--graph-kills", "5", "--workers", "1", "--seed", "0"]
    command = [sys.executable, "-m", "tests.chaos.campaign", *kills]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = (line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    counts = {name: int(value.replace(",", "")) for name, value in rows}
    assert counts["kills of the client"] >= 10
    assert counts["kills of the server"] >= 2
    assert counts["kills of the client of a graph"] >= 5
    assert counts["violations"] == 0
