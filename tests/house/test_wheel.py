"""The wheel holds every module and data file of the tree and nothing else, and works from anywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

FOLDERS = ("memory", "prompts", "runtime", "evals")
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"


def shipped(root: Path) -> set[str]:
    """Where each file of the four folders must stand in the wheel. Decision records (README.md) stay in the tree."""
    files = [path.relative_to(root) for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()]
    return {
        f"satchel/{path.as_posix().removeprefix('runtime/_facade/')}"
        for path in files
        if "__pycache__" not in path.parts and path.name != "README.md"
    }


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built offline from a copy of the tree, so that nothing is left in the tree and nothing old gets in."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "THIRD_PARTY.md"):
        shutil.copy(root / name, copy)
    for name in FOLDERS:
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=copy, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_package_list_names_every_package_of_the_tree(root: Path, project: dict[str, Any]) -> None:
    inits = [path.parent.relative_to(root) for folder in FOLDERS for path in (root / folder).rglob("__init__.py")]
    packages = {".".join(["satchel", *path.parts]) for path in inits if path != Path("runtime/_facade")}
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted({"satchel", *packages})


def test_every_module_stands_in_a_package(modules: dict[str, Path]) -> None:
    assert [path for path in modules.values() if not (path.parent / "__init__.py").exists()] == []


def test_the_wheel_holds_the_tree_and_nothing_else(root: Path, wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == shipped(root)


def test_the_wheel_carries_both_licence_texts(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.rsplit("/", 1)[-1] for name in names if "/licenses/" in name} == {"LICENSE", "THIRD_PARTY.md"}


def test_the_wheel_works_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, beside a user's own `memory` and `prompts` folders, it answers `python -m satchel --help`."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    for name in FOLDERS:
        (tmp_path / "work" / name).mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "satchel", "--help"],
        cwd=tmp_path / "work",
        env={"PYTHONPATH": str(tmp_path / "site"), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout


def test_type_checkers_see_every_module_through_the_links(root: Path) -> None:
    links = root / "tests" / "typing_root" / "satchel"
    targets = [root / name for name in FOLDERS] + sorted((root / "runtime" / "_facade").glob("*.py"))
    assert {link.name: link.resolve() for link in links.iterdir()} == {path.name: path for path in targets}
