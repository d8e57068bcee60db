"""What stands in the files: a sentence on top of each module, a reason beside each silence, no machine's own paths."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENCE = re.compile(
    r"(?:noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?|(?:type|pyright): ignore(?:\[[\w, -]*\])?|pragma: no cover)"
)
PLACES = [
    re.compile(rf"(?<![\w.:/]){'/'}(?:home|root|Users|work|opt)/"),
    re.compile(r"\b(?:extra-)?index-" + r"url\b"),
    re.compile(r"python" + r"hosted\.org|py" + r"pi\.org"),
]
FLAGS_OF_LOCK = "--no-emit-index-" + "url"


@pytest.fixture(scope="module")
def texts(root: Path) -> dict[str, str]:
    """Every text file that git has or would take, by its path."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    files = {name: root / name for name in names if name}
    return {
        name: path.read_text(errors="replace")
        for name, path in files.items()
        if path.is_file() and not path.is_symlink() and path.suffix not in {".bin", ".gz", ".png"}
    }


@pytest.fixture(scope="module")
def sources(texts: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if name.endswith(".py")}


def comments(text: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def without_reason(comment: str) -> bool:
    """True for a silence with nothing said beside its codes."""
    return bool(SILENCE.search(comment)) and not SILENCE.sub("", comment).strip(" #-")


def test_every_module_opens_with_a_sentence(sources: dict[str, str]) -> None:
    openings = {name: (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0] for name, text in sources.items()}
    assert [name for name, opening in openings.items() if not re.search(r"[.?:](\s|$)", opening)] == []


@pytest.mark.parametrize(
    ("comment", "bare"),
    [
        ("# noqa: S101", True),
        ("# noqa", True),
        ("# type: ignore[arg-type]", True),
        ("# type: ignore[arg-type]  # noqa: S101", True),
        ("# noqa: S101, S102", True),
        ("# noqa: S101  # the reason", False),
        ("# noqa: S101 - the reason", False),
        ("# type: ignore[arg-type]  # the reason", False),
        ("# an ordinary comment", False),
    ],
)
def test_a_silence_is_told_from_a_reason(comment: str, *, bare: bool) -> None:
    assert without_reason(comment) is bare


def test_every_silence_carries_its_reason(sources: dict[str, str]) -> None:
    silences = [(name, comment) for name, text in sources.items() for comment in comments(text)]
    assert [(name, comment) for name, comment in silences if without_reason(comment)] == []


def test_every_ignored_rule_carries_its_reason(root: Path) -> None:
    lines = (root / "pyproject.toml").read_text().splitlines()
    ignored = [line for line in lines if re.match(r'\s+"[A-Z]+\d+",', line)]
    assert ignored
    assert [line for line in ignored if "  # " not in line] == []


def test_no_file_names_a_place_of_the_machine_it_was_written_on(root: Path, texts: dict[str, str]) -> None:
    here = [str(path) for path in (root, Path.home()) if len(path.parts) > 1]
    found = [
        f"{name}: {line.strip()}"
        for name, text in texts.items()
        for line in text.replace(FLAGS_OF_LOCK, "").splitlines()
        if any(f"{place}/" in line for place in here) or any(place.search(line) for place in PLACES)
    ]
    assert found == []
