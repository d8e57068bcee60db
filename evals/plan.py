"""What a comparison has to run, and what decides each result: so that a broken-off run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from satchel.evals.frameworks import versions, way
from satchel.evals.trial import Trial
from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from satchel.evals.frameworks import Way
    from satchel.evals.suite import Task
    from satchel.memory.records import Json

TRIALS = "trials.jsonl"
"""The file of a report folder that takes each result as it comes."""

PACKAGES = ("satchel.memory", "satchel.prompts", "satchel.runtime", "satchel.evals")
SOURCES = (".py", ".md", ".json", ".lua", ".bin", ".jinja")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What decides a trial beside task and mode: price rows, ceiling, the model's name (None: the scripted policy).

    `kind` keeps what was replayed apart from what was live.
    """

    prices: tuple[str, ...]
    context_limit: str | None = None
    model: str | None = None
    kind: str = "simulated"

    def digest(self, task: Task, mode: str | Way) -> str:
        """A digest of all that decides a trial, our own source and texts and the versions of others' included."""
        chosen, suite = way(mode), task.suite
        parts = [
            suite.name, task.number, task.seed, chosen.name, versions(chosen), self.prices,
            self.context_limit or suite.context_limit, self.model, self.kind, source(),
            suite.recorded.version if suite.recorded else None,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def job(self, task: Task, mode: Way) -> Job:
        """A task in a mode under this setting, to be run."""
        return Job(self.digest(task, mode), task, mode, self)


@dataclass(frozen=True, slots=True)
class Job:
    """A trial to be run; `key` is the digest of all that decides it."""

    key: str
    task: Task
    way: Way
    setting: Setting


@cache
def source() -> str:
    """A digest of every source file and text that can change a trial."""
    found = hashlib.sha256()
    for package in PACKAGES:
        for path, content in _files(files(package), package):
            found.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
    return found.hexdigest()


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir() and not entry.name.startswith(("_", ".")):
            yield from _files(entry, f"{path}/{entry.name}")
        elif entry.name.endswith(SOURCES):
            yield f"{path}/{entry.name}", entry.read_bytes()


class Kept:
    """Results of trials in a report folder, one JSON line each, by the digest of what decides them.

    A line that a crash cut short is left out and its trial runs again. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / TRIALS if folder else None
        self._found: dict[str, Trial] = {}
        if self._path and self._path.exists():
            self._load(self._path)

    def _load(self, path: Path) -> None:
        data = path.read_bytes()
        whole, _, torn = data.rpartition(b"\n")
        for line in whole.splitlines():
            try:
                raw: Json = json.loads(line)
                self._found[raw["key"]] = Trial.from_json(raw["trial"])
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"{path} is not a file of our trials ({error}); choose another --out") from None
        if torn:
            with path.open("r+b") as file:
                file.truncate(len(data) - len(torn))

    def get(self, key: str) -> Trial | None:
        """The result kept under a digest."""
        return self._found.get(key)

    def add(self, key: str, trial: Trial) -> None:
        """Keep a result: it outlives the process once this returns."""
        self._found[key] = trial
        if self._path:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "trial": trial.to_json()}) + "\n")
