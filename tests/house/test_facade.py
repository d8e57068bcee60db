"""The public face: every name resolves, and looking at it loads nothing heavy."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import satchel

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {"langgraph", "langchain_core", "langchain", "redis", "pydantic", "tiktoken", "jinja2", "httpx"}
HELP_RATIO = 13
"""`satchel --help` may take this many bare Python starts: 0.3 s where one takes 22 ms; typer and rich alone take 6."""


def loaded_by(code: str) -> set[str]:
    """The top-level modules in memory after running `code` in a fresh interpreter."""
    tell = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    command = [sys.executable, "-c", f"import atexit\natexit.register(lambda: exec({tell!r}))\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def fastest(*command: str, rounds: int = 5) -> float:
    """Seconds of the fastest of several runs: what the command costs when nothing disturbs it."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("name", satchel.__all__)
def test_a_public_name_resolves(name: str) -> None:
    assert getattr(satchel, name).__name__ == name


def test_an_unknown_name_is_named_in_the_error() -> None:
    with pytest.raises(AttributeError, match="'Budgett'; its public names are Agent"):
        _ = satchel.Budgett


def test_the_names_are_few_sorted_and_the_same_for_type_checkers(modules: dict[str, Path]) -> None:
    tree = ast.parse(modules["satchel"].read_text())
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("satchel.")
        for alias in node.names
    }
    assert typed == satchel._HOMES
    assert satchel.__all__ == sorted(typed) == dir(satchel)
    assert len(satchel.__all__) <= 15


def test_importing_satchel_loads_no_dependency() -> None:
    assert loaded_by("import satchel") & (HEAVY | {"typer", "rich"}) == set()


def test_help_loads_neither_the_graph_nor_the_store() -> None:
    help_of_cli = "import sys; from satchel.cli import main; sys.argv = ['satchel', '--help']; sys.exit(main())"
    assert loaded_by(help_of_cli) & HEAVY == set()


def test_help_answers_at_once() -> None:
    assert fastest("-m", "satchel", "--help") < HELP_RATIO * fastest("-c", "pass")
