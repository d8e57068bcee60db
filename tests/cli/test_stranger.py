"""The command line in the hands of a stranger: broken modules, files that are none, and an output that is closed."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING

import pytest

from satchel import console

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

BROKEN = {
    "raises": ("1 / 0", "raises.py, line 1: ZeroDivisionError: division by zero"),
    "leaves": ("\nraise SystemExit", "leaves.py, line 2: SystemExit"),
    "lacks": ("import no_such_library", "lacks.py, line 1: ModuleNotFoundError: No module named 'no_such_library'"),
    "errs": ("from satchel import Agent\nagent = Agent('sim:nobody')", "error: unknown model 'sim:nobody'"),
    "spells": ("def", "invalid syntax (spells.py, line 1)"),
}
"""Modules of agents, and what is said of each."""


@pytest.mark.parametrize("name", BROKEN)
def test_of_a_module_that_cannot_be_imported_the_place_and_the_reason_are_told(
    inside: Run, folder: Path, name: str
) -> None:
    text, says = BROKEN[name]
    (folder / f"{name}.py").write_text(text)
    told = inside("run", "hi", "--agent", name, code=2).stderr
    assert says in told
    assert len(told.splitlines()) == 1


def test_of_a_module_that_is_not_there_it_is_told_how_to_name_one(inside: Run) -> None:
    for name in ("nowhere:agent", "agents:nobody", ":"):
        assert "write module:attr" in inside("run", "hi", "--agent", name, code=2).stderr


def test_without_words_the_help_is_shown(inside: Run) -> None:
    for words in ((), ("threads",)):
        assert inside(*words, code=2).stderr.startswith("Usage: ")
    assert inside("--version").stdout.startswith("satchel 0.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compare", "knapsack", "--history", "agents.py"], "agents.py cannot be written to"),
        (["compare", "knapsack", "--profile", "."], ". cannot be written (Is a directory)"),
        (["compare", "knapsack", "--fail-if", "usd <"], "cannot be read: invalid syntax\n"),
        (["compare", "traces:"], "traces: names no folder or file"),
        (["eval", "knapsack", "--mode", "stateful,window"], "this runs one mode"),
        (["report", "nowhere"], "(No such file or directory)"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_before_anything_is_run(inside: Run, words: list[str], says: str) -> None:
    told = inside(*words, code=2)
    assert says in told.stderr
    assert told.stdout == ""


def test_a_line_that_is_no_trajectory_is_told_without_words_of_python(inside: Run, folder: Path) -> None:
    for value in ([1], None, {"id": "a", "messages": [1]}):
        (folder / "odd.jsonl").write_text(json.dumps(value))
        told = inside("replay", "odd.jsonl", "--context-limit", "8000", "--prompts", "p.jsonl", code=1).stderr
        assert told.startswith("error: odd.jsonl, line 1: not a trajectory (its values are of other types)")


def test_the_name_of_a_thread_cannot_draw_on_the_terminal(inside: Run) -> None:
    name = "a\x1b[31m\nb"
    told = inside("run", "hi", "--model", "sim:echo", "--thread", name).stderr
    told += inside("threads", "ls").stdout
    assert "\x1b" not in told
    assert told.count("a [31m b") == 2
    inside("threads", "rm", name)


@pytest.mark.parametrize(
    ("command", "ended"),
    [
        ("suites > /dev/full", (1, "", "error: stdout cannot be written: No space left on device\n")),
        ("suites >&-", (0, "", "")),
        ("suites --json | head -c 0", (0, "", "")),
        ("2>&- | wc -l", (0, "0\n", "")),
    ],
)
@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_an_output_that_is_full_or_closed_ends_a_command_quietly(
    folder: Path, environment: dict[str, str], command: str, ended: tuple[int, str, str], buffered: str
) -> None:
    words = ["sh", "-c", f"{sys.executable} -m satchel {command}"]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=folder, env=environment | {"PYTHONUNBUFFERED": buffered},
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == ended


def test_a_terminal_without_the_letters_shows_their_numbers_and_json_stays_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = "gr\u00fc\u00df \u2713 \U0001f600"
    for encoding, shown in (("latin-1", b"gr\xfc\xdf \\u2713 \\U0001f600\n"), ("utf-8", f"{said}\n".encode())):
        written = BytesIO()
        monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding=encoding))
        console.out(said)
        assert written.getvalue() == shown
        console.document([said])
        assert json.loads(written.getvalue()[len(shown) :].decode(encoding)) == [said]
