"""Every Python block of a README runs, in a folder of its own, unless the line before it says `<!-- not run -->`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^(?P<mark><!-- not run -->\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDERS = ("memory", "prompts", "runtime", "evals")
READMES = [ROOT / "README.md", *(path for name in FOLDERS for path in sorted((ROOT / name).rglob("README.md")))]


def blocks() -> list[object]:
    """The blocks to run, each with its file and line so that a failure points at the README."""
    found: list[object] = []
    for readme in READMES:
        text = readme.read_text()
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("code")) + 1
            if not match["mark"]:
                name = f"{readme.relative_to(ROOT)}:{line}"
                found.append(pytest.param("\n" * (line - 1) + match["code"], name, id=name))
    return found


@pytest.mark.parametrize(("code", "name"), blocks())
def test_a_block_runs(code: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, name, "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102  # our own README


def test_every_package_records_its_decisions() -> None:
    assert [name for name in FOLDERS if not (ROOT / name / "README.md").exists()] == []
