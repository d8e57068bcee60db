"""The command line as a stranger uses it: a real process, its output and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from satchel.cli import main

AGENTS = '''
import time
from satchel import Agent, Budget, tool
from satchel.runtime.context.message import ToolCall
from satchel.runtime.models import Answer, Scripted

@tool(effect="read")
def wait(seconds: float) -> str:
    """Wait."""
    print("waiting", flush=True)
    time.sleep(seconds)
    return "waited"

def asks(seconds):
    def policy(messages, tools):
        if not tools:
            return Answer(text="out of steps")
        if messages[-1].role == "tool" and seconds:
            return Answer(text="rested")
        return Answer(calls=(ToolCall("c", "wait", {"seconds": seconds}),))
    return Scripted(policy)

patient = Agent(asks(30), [wait])
busy = Agent(asks(0), [wait], budget=Budget(steps=3))
number = 7
'''

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cli")
    (made / "agents.py").write_text(AGENTS)
    return made


@pytest.fixture(scope="session")
def environment(satchel_home: Path) -> dict[str, str]:
    return {**os.environ, "SATCHEL_HOME": str(satchel_home), "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def satchel(folder: Path, environment: dict[str, str]) -> Run:
    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "satchel", *words],
            capture_output=True, text=True, cwd=folder, env=environment, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The same in this process, where a process is not the point: from the words to the output and the exit code."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["satchel", *words])
        capsys.readouterr()
        got = main()
        told = capsys.readouterr()
        assert got == code, told.err
        return subprocess.CompletedProcess(words, got, told.out, told.err)

    return run
