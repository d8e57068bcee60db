"""A small tree of files, tools to look into it, and ten questions with the policy that answers them from the prompt."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from satchel.memory.records import Json
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer
from satchel.runtime.tools import Tool, tool

Facts = dict[str, str]
Running = Callable[[str, str], AbstractContextManager[None]]
"""From a tool's name and the call's idempotency key to what is done around its execution."""

NOTE = re.compile(r"noted (\w+)=([^;\s]+);")
FOLDED = re.compile(r"^\[/satchel \S+ up to turn (\d+)\]", re.MULTILINE)
PREVIEW = re.compile(r"whole text: (res:[0-9a-z]+)")
SERVICES = ("auth", "billing", "mail", "search")
WORDS = (
    "crate", "pallet", "dock", "ramp", "shelf", "aisle", "label", "scale", "truck",
    "seal", "strap", "bolt", "hinge", "latch", "drum", "sack",
)  # fmt: skip


def grow(root: Path) -> None:
    """Make the tree: settings of services, long logs, two chains of notes, a table."""
    dice = random.Random(20)
    files = {"README.md": "depot of records\nversion = 4\n"}
    for n, name in enumerate(SERVICES):
        head = f"{name} port = {8000 + 7 * n}\n{name} owner = {dice.choice(WORDS)}\n{name} replicas = {n + 2}\n"
        files[f"services/{name}.conf"] = head + _filler(dice, 12)
    for day in range(1, 4):
        lines = _filler(dice, 150).splitlines()
        lines[70 : 70 + day] = [f"ALARM code {day}{n}{n} in aisle {n}" for n in range(day)]
        files[f"logs/day{day}.log"] = "\n".join(lines)
    for chain, length in (("a", 5), ("b", 6)):
        for n in range(1, length + 1):
            onward = f"next: notes/{chain}{n + 1}.txt" if n < length else "next: none"
            files[f"notes/{chain}{n}.txt"] = f"piece {chain}{n} = {dice.choice(WORDS)}\n{onward}\n" + _filler(dice, 10)
    rows = [f"{word}-{n},{dice.randrange(10, 99)}" for n in range(15) for word in WORDS]
    files["data/stock.csv"] = "item,count\n" + "\n".join(rows)
    files["todo/open.txt"] = "TODO weigh the drum by friday\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _filler(dice: random.Random, lines: int) -> str:
    return "\n".join(f"# {' '.join(dice.choices(WORDS, k=9))}" for _ in range(lines)) + "\n"


def tools(root: Path, running: Running) -> list[Tool]:
    """Tools that really look into the tree, and one that writes.

    They are coroutines that do not wait, so that the results of parallel calls come in the order of the calls: where a
    result stands in the log decides about its handle, and with it about the bytes of the prompts.
    """

    @tool(effect="read")
    async def list_files(path: str, idempotency_key: str) -> list[str]:
        """The names in a folder."""
        with running("list_files", idempotency_key):
            return sorted(found.name for found in (root / path).iterdir())

    @tool(effect="read")
    async def read(path: str, idempotency_key: str) -> str:
        """The text of a file."""
        with running("read", idempotency_key):
            return (root / path).read_text()

    @tool(effect="idempotent")
    async def grep(word: str, path: str, idempotency_key: str) -> list[str]:
        """The lines of the files below a path that hold a word."""
        with running("grep", idempotency_key):
            files = sorted((root / path).rglob("*")) if (root / path).is_dir() else [root / path]
            named = ((str(file.relative_to(root)), file) for file in files if file.is_file())
            return [f"{name}: {line}" for name, file in named for line in file.read_text().splitlines() if word in line]

    @tool
    async def post(text: str, idempotency_key: str) -> str:
        """Send a message; it cannot be taken back."""
        with running("post", idempotency_key):
            return f"posted {text}"

    return [list_files, read, grep, post]


Look = tuple[str, dict[str, str]]
"""A call: tool and arguments, in which `{fact}` stands for what was found before."""


@dataclass(frozen=True)
class Step:
    """One fact to find: the calls that show it, the pattern that reads it, and what to ask of a mere preview."""

    fact: str
    pattern: str
    calls: tuple[Look, ...]
    query: str = ""


@dataclass(frozen=True)
class Question:
    """A task, its steps in order, and the answer from the facts."""

    text: str
    steps: tuple[Step, ...]
    answer: Callable[[Facts], str]


def _read(path: str) -> Look:
    return "read", {"path": path}


def _grep(word: str, path: str) -> Look:
    return "grep", {"word": word, "path": path}


def _chain(name: str, length: int) -> Question:
    steps = [Step("piece1", rf"piece {name}1 = (\w+)", (_read(f"notes/{name}1.txt"),))]
    for n in range(2, length + 1):
        found = Step(f"next{n}", rf"next: (notes/{name}{n}\.txt)", (_read(f"notes/{name}{n - 1}.txt"),))
        steps += [found, Step(f"piece{n}", rf"piece {name}{n} = (\w+)", (_read(f"{{next{n}}}"),))]
    text = f"Follow the notes from {name}1 to their end: which words do the pieces make?"
    return Question(text, tuple(steps), lambda f: "-".join(f[f"piece{n}"] for n in range(1, length + 1)))


EVERY_SERVICE = tuple(_read(f"services/{name}.conf") for name in SERVICES)
EVERY_LOG = tuple(_grep("ALARM", f"logs/day{day}.log") for day in range(1, 4))

QUESTIONS = {
    "port": Question(
        "At which port does billing listen?",
        (
            Step("file", r"(billing\.conf)", (("list_files", {"path": "services"}),)),
            Step("port", r"billing port = (\d+)", (_read("services/{file}"),)),
        ),
        lambda f: f["port"],
    ),
    "owner": Question(
        "Who owns search, and what does it run on?",
        (
            Step("owner", r"search owner = (\w+)", (_grep("owner", "services"),)),
            Step("copies", r"search replicas = (\d+)", (_grep("replicas", "services/search.conf"),)),
        ),
        lambda f: f"{f['owner']} on {f['copies']}",
    ),
    "replicas": Question(
        "How many replicas are there in all?",
        tuple(Step(name, rf"{name} replicas = (\d+)", EVERY_SERVICE) for name in SERVICES),
        lambda f: str(sum(int(f[name]) for name in SERVICES)),
    ),
    "alarm": Question(
        "Which alarm was there on day 1?",
        (Step("code", r"ALARM code (\d+)", (_read("logs/day1.log"),), query="ALARM code"),),
        lambda f: f["code"],
    ),
    "chain": _chain("a", 5),
    "long chain": _chain("b", 6),
    "todo": Question(
        "What is open, and until when?",
        (
            Step("file", r"(todo/\w+\.txt): TODO", (_grep("TODO", "."),)),
            Step("day", r"TODO .* by (\w+)", (_read("{file}"),)),
        ),
        lambda f: f"{f['file']} by {f['day']}",
    ),
    "alarms": Question(
        "Which alarm came first on each day?",
        tuple(Step(f"day{n}", rf"day{n}\.log: ALARM code (\d+)", EVERY_LOG) for n in range(1, 4)),
        lambda f: " ".join(f[f"day{n}"] for n in range(1, 4)),
    ),
    "stock": Question(
        "How many hinge-7 and latch-11 are there?",
        (
            Step("hinge", r"hinge-7,(\d+)", (_read("data/stock.csv"),), query="hinge-7,"),
            Step("latch", r"latch-11,(\d+)", (_read("data/stock.csv"),), query="latch-11,"),
        ),
        lambda f: str(int(f["hinge"]) + int(f["latch"])),
    ),
    "missing": Question(
        "Which version does the manual name?",
        (
            Step("manual", r"(FileNotFoundError)", (_read("MANUAL.md"),)),
            Step("readme", r"(README\.md)", (("list_files", {"path": "."}),)),
            Step("version", r"version = (\d+)", (_read("{readme}"),)),
        ),
        lambda f: f"no manual; version {f['version']}",
    ),
}
"""The ten questions."""

WRITES = {
    "post": Question(
        "Tell the depot that the owner of mail was found, and read its port.",
        (
            Step("port", r"mail port = (\d+)", (_grep("port", "services/mail.conf"), ("post", {"text": "found"}))),
            Step("sent", r"(posted|interrupted)", (("post", {"text": "again"}),)),
            Step("owner", r"mail owner = (\w+)", (_read("services/mail.conf"),)),
        ),
        lambda f: f"{f['port']}, {f['owner']}",
    ),
}
"""A task with a call that must not be repeated, side by side with one that may."""


def answer(messages: Sequence[Message], _: Sequence[Json]) -> Answer:
    """The policy: what the prompt shows decides, and nothing else does; each turn notes what the last one found."""
    shown = "\n".join(message.content for message in messages)
    question = next(q for q in (QUESTIONS | WRITES).values() if q.text in shown)
    newest = "\n".join(_newest(messages))
    facts: Facts = dict(NOTE.findall(shown))
    fresh: list[str] = []
    for step in question.steps:
        if step.fact in facts:
            continue
        found = re.search(step.pattern, newest)
        if found is None:
            turn = sum(message.role == "assistant" for message in messages)
            return Answer(_noted(fresh), tuple(_calls(step, facts, newest, turn)))
        facts[step.fact] = found[1]
        fresh.append(f"{step.fact}={found[1]};")
    return Answer(question.answer(facts))


def _newest(messages: Sequence[Message]) -> Iterable[str]:
    for message in reversed(messages):
        if message.role != "tool":
            return
        yield message.content


def _noted(fresh: Sequence[str]) -> str:
    return " ".join(f"noted {fact}" for fact in fresh)


def _calls(step: Step, facts: Facts, newest: str, turn: int) -> Iterable[ToolCall]:
    preview = PREVIEW.search(newest)
    if step.query and preview:
        yield ToolCall(f"c{turn}", "recall", {"ref": preview[1], "query": step.query})
        return
    for n, (name, args) in enumerate(step.calls):
        yield ToolCall(f"c{turn}-{n}", name, {key: value.format(**facts) for key, value in args.items()})
