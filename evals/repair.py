"""Code navigation and repair bookkeeping: a renamed library, and every file that calls it by the old names.

The repository is generated. Its change log, read once at the start, says which names are new; each file has to be read,
each wrong line edited, and none forgotten or done twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from satchel.evals.case import Case
from satchel.evals.catalogue import passage
from satchel.evals.graders import state
from satchel.evals.view import View, view
from satchel.runtime.models import Answer
from satchel.runtime.tools import Tool, tool

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message, ToolCall

TASK = """The library was renamed in places: CHANGES.md lists the old and the new name of each function. Bring all \
{files} source files up to date, and change nothing else. List the files, read each, edit each line that calls an old \
name, and report."""

MANUAL = """You maintain a small repository. `edit` replaces one line that is found exactly once. There is no search: \
keep your own books on what is done and what is not."""

VERBS = ("load", "store", "merge", "parse", "fetch", "split", "count", "trace", "pack", "scan")
NOUNS = ("rows", "table", "ledger", "frame", "index", "batch", "entry", "report", "queue", "shard")


@dataclass(slots=True)
class Repository:
    """The world: files as they are, and as they should be."""

    files: dict[str, str]
    fixed: dict[str, str]
    order: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.order = tuple(self.files)

    def tools(self) -> tuple[Tool, ...]:
        """What a maintainer can do."""

        @tool(effect="read")
        async def list_files() -> list[str]:
            """The paths of all files."""
            return list(self.order)

        @tool(effect="read")
        async def read_file(path: str) -> str:
            """A file."""
            return self.files.get(path, f"There is no file {path}.")

        @tool(effect="write")
        async def edit(path: str, old: str, new: str) -> str:
            """Replace one line of a file."""
            lines = self.files.get(path, "").split("\n")
            if lines.count(old) != 1:
                return f"The line is found {lines.count(old)} times in {path}."
            self.files[path] = "\n".join(new if line == old else line for line in lines)
            return f"Edited {path}."

        return list_files, read_file, edit

    def score(self) -> float:
        """The share of files that had to be changed and are right; an ill edit of any other file counts against it."""
        todo = [path for path in self.order if self.wrong[path]]
        right = sum(self.files[path] == self.fixed[path] for path in todo)
        broken = sum(self.files[p] != self.fixed[p] for p in self.order if not self.wrong[p])
        return max(0, right - broken) / len(todo)

    wrong: dict[str, bool] = field(default_factory=dict)


def repair(seed: int, *, files: int, renames: int, lines: int) -> Case:
    """The repository of a seed: `files` files of about `lines` lines, `renames` functions renamed."""
    rng = Random(f"repair {files} {renames} {seed}")  # noqa: S311 - a puzzle, no secret
    names = rng.sample([f"{verb}_{noun}" for verb in VERBS for noun in NOUNS], 2 * renames + 12)
    new = dict(zip(names[:renames], names[renames : 2 * renames], strict=True))
    kept = names[2 * renames :]
    world = Repository({}, {})
    paths = [f"{rng.choice(NOUNS)}/{rng.choice(VERBS)}_{n:02d}.py" for n in range(files)]
    changes = "\n".join(f"- {old} is now {found}" for old, found in new.items())
    log = f"# Changes\n{passage('repair', seed)}\n{changes}\n{passage('repair', seed, 1)}"
    for path in paths:
        body, fixed = _source(rng, path, new, kept, lines)
        world.files[path], world.fixed[path], world.wrong[path] = body, fixed, body != fixed
    world.files["CHANGES.md"] = world.fixed["CHANGES.md"] = log
    world.wrong["CHANGES.md"] = False
    world.order = tuple(world.files)
    return Case(
        id=f"repair-{files}-{seed}",
        seed=seed,
        task=TASK.format(files=files),
        instructions=MANUAL,
        tools=world.tools(),
        policies={"expert": expert, "fool": fool},
        score=state(world.score),
        steps=4 * files + 20,
        tool_calls=12 * files + 20,
    )


def _source(rng: Random, path: str, new: dict[str, str], kept: list[str], lines: int) -> tuple[str, str]:
    """A file with up to three calls of old names, before and after the repair."""
    calls = [rng.choice(kept) for _ in range(lines)]
    for n in rng.sample(range(lines), rng.choice((0, 1, 2, 3))):
        calls[n] = rng.choice(list(new))
    head = f'"""Part of {path}."""\n\nimport library\n\n\ndef main(value):'
    texts = [f"    value = library.{{}}(value, {rng.randint(100, 999)}, step={n})" for n in range(lines)]
    before = [text.format(name) for text, name in zip(texts, calls, strict=True)]
    after = [text.format(new.get(name, name)) for text, name in zip(texts, calls, strict=True)]
    return "\n".join([head, *before, "    return value"]), "\n".join([head, *after, "    return value"])


def expert(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """Reads the change log and then file after file, editing each before it goes on."""
    seen = view(messages)
    total = int(next(iter(re.findall(r"all (\d+) source files", seen.user)), "0"))
    if not tools:
        return Answer("Not all files were brought up to date.")
    renames = {m[1]: m[2] for m in seen.find(r"- (\w+) is now (\w+)")}
    read = {s.args[0]: s.text for s in seen.of("read_file") if s.args}
    lines = _calls_of_library(messages)
    if lines and not renames:
        return _again(seen, "CHANGES.md")
    edits = [(p, line, _fixed(line, renames)) for p, line in lines if _fixed(line, renames) != line]
    if edits:
        return seen.calls(*(("edit", {"path": p, "old": line, "new": fixed}) for p, line, fixed in edits))
    paths = _paths(seen)
    if len([p for p in paths if p.endswith(".py")]) < total:
        listed = any(call.name in ("list_files", "recall") for call in seen.last)
        return seen.calls(("list_files", {})) if not listed or not paths else _next(seen, paths, read)
    return _again(seen, "CHANGES.md") if not renames else _next(seen, paths, read)


def _next(seen: View, paths: Sequence[str], read: dict[str, str]) -> Answer:
    todo = [path for path in paths if path.endswith(".py") and path not in read]
    return seen.calls(("read_file", {"path": todo[0]})) if todo else Answer("All files are up to date.")


def _again(seen: View, path: str) -> Answer:
    """The change log, from behind its handle if one is in view, else read once more."""
    return seen.recall(path, query="is now") or seen.calls(("read_file", {"path": path}))


def _calls_of_library(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Path and line of every call of the library in what was read last."""
    calls = {call.id: call for message in messages for call in message.calls}
    for message in reversed(messages):
        if message.role == "assistant" and any(_source_read(call) or call.name == "edit" for call in message.calls):
            break
    else:
        return []
    ids = [call.id for call in message.calls if _source_read(call)]
    texts = [(calls[m.call_id].args["path"], m.content) for m in messages if m.role == "tool" and m.call_id in ids]
    return [(path, line) for path, text in texts for line in text.split("\n") if "library." in line]


def _source_read(call: ToolCall) -> bool:
    return call.name == "read_file" and isinstance(call.args, dict) and call.args.get("path") != "CHANGES.md"


def _fixed(line: str, renames: dict[str, str]) -> str:
    name = re.search(r"library\.(\w+)\(", line)
    return line.replace(name[1], renames[name[1]]) if name and name[1] in renames else line


def _paths(seen: View) -> list[str]:
    """The paths in view, in the order of the list where it is in view."""
    found = [path for s in seen.seen for path in re.findall(r"\w+/\w+\.py", f"{' '.join(s.args)} {s.text}")]
    return list(dict.fromkeys(found))


def fool(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """Answers at once."""
    return Answer("All files are up to date.") if messages or tools else Answer()
