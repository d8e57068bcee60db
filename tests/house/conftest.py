"""What the tests of the house share: the tree, its Python modules, and its project file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

FOLDERS = ("memory", "prompts", "runtime", "evals")


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def project(root: Path) -> dict[str, Any]:
    """The content of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def modules(root: Path) -> dict[str, Path]:
    """Every module of the package by its import name."""
    paths = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.py"))]
    return {import_name(path.relative_to(root)): path for path in paths}


def import_name(path: Path) -> str:
    """`runtime/context/turn.py` is imported as `satchel.runtime.context.turn`, and the facade as `satchel` itself."""
    parts = path.with_suffix("").parts
    parts = parts[2:] if parts[:2] == ("runtime", "_facade") else parts
    return ".".join(["satchel", *(part for part in parts if part != "__init__")])
