"""Replay of recorded trajectories through the context engine: what would have been sent for each model call.

The recorded messages are fed one by one; the engine never looks ahead and no model is called.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from satchel.memory.errors import ConfigError, TraceError
from satchel.memory.handles import ref, salt_for
from satchel.memory.store import ThreadId
from satchel.runtime.context import tokens
from satchel.runtime.context.context import Context, Overflow, Prompt, fixed, numbers
from satchel.runtime.context.controller import Rates
from satchel.runtime.context.message import Message
from satchel.runtime.context.turn import Turn, turns
from satchel.runtime.spec import context, limit

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.mode import Mode


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One recorded run: an id, tool schemas, and messages, system first."""

    id: str
    tools: tuple[Json, ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """What would be sent for one recorded model call."""

    trajectory: str
    call: int
    prompt: Prompt


def read(path: Path) -> Iterator[Trajectory]:
    """The trajectories of a trace file. Raises `TraceError` with file and line number for a malformed line."""
    if not path.is_file():
        raise TraceError(f"there is no trace file {path}; name .jsonl or .jsonl.gz files")
    with _open(path, "r") as lines:
        for number, line in enumerate(_lines(lines, path), 1):
            if line.strip():
                yield _trajectory(line, f"{path}, line {number}")


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    try:
        yield from file
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise TraceError(
            f"{path} cannot be read as a trace file: {error}; expected JSON lines, gzip if it ends in .gz"
        ) from None


def _trajectory(line: str, where: str) -> Trajectory:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _no_trajectory(where, str(error)) from None
    return trajectory(raw, where)


def trajectory(raw: Json, where: str) -> Trajectory:
    """A trajectory from one value of a trace file. Raises `TraceError` that says where it stands."""
    try:
        tools = raw.get("tools") or []
        made = Trajectory(str(raw["id"]), tuple(tools), tuple(Message.from_wire(m) for m in raw["messages"]))
        wrong = _wrong(raw["id"], tools, {m.role for m in made.messages})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        wrong = f"no {error}" if isinstance(error, KeyError) else str(error)
        if isinstance(error, TypeError | AttributeError):  # what Python says of it tells nobody anything
            wrong = "its values are of other types"
    if wrong:
        raise _no_trajectory(where, wrong)
    return made


def _no_trajectory(where: str, wrong: str) -> TraceError:
    return TraceError(f"{where}: not a trajectory ({wrong}); expected {{id, tools, messages: [...]}}")


def _wrong(name: Json, tools: Json, roles: set[str]) -> str | None:
    """What makes a trajectory of JSON values no trajectory."""
    if unknown := roles - {"system", "user", "assistant", "tool"}:
        return f"unknown role {min(map(str, unknown))!r}"
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        return "tools is no list of schemas"
    return None if isinstance(name, str | int) else "id is no text"


@dataclass(frozen=True, slots=True)
class Replay:
    """Settings of a replay: a mode, a context limit (`N`, or `+N` beyond the fixed surface), and when to fold.

    By these prices, or after `every` so many turns.
    """

    mode: Mode
    limit: str
    rates: Rates = Rates()
    every: int | None = None

    def run(self, trajectory: Trajectory) -> tuple[list[Call], dict[str, str]]:
        """The prompts of every recorded model call, and the texts behind the handles that stand in them."""
        system, rest = _split(trajectory)
        salt = salt_for(ThreadId(trajectory.id), 0)
        tools = trajectory.tools
        made = context(
            self.mode, salt, system=system, tools=tools, rates=self.rates, reply_tokens=0,
            ceiling=limit(self.limit, fixed(system, tools)), every=self.every,
        )  # fmt: skip
        calls: list[Call] = []
        vault: dict[str, str] = {}
        last = 10**8  # pages are numbered far above the recorded texts
        for turn in turns(rest):
            if turn.messages[0].role == "assistant":
                prompt = _prompt(made, trajectory.id, len(calls), last)
                last += numbers(prompt.folds)
                calls.append(Call(trajectory.id, len(calls), prompt))
            made.add(turn)
            vault |= {ref(salt, seq): text for seq, text in texts(turn)}
        return calls, vault


def _split(trajectory: Trajectory) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """The system messages, and the messages after them."""
    n = next((k for k, m in enumerate(trajectory.messages) if m.role != "system"), len(trajectory.messages))
    return trajectory.messages[:n], trajectory.messages[n:]


def _prompt(context: Context, trajectory: str, call: int, page_seq: int) -> Prompt:
    try:
        return context.prompt(page_seq=page_seq)
    except Overflow as error:
        raise TraceError(
            f"{trajectory}, call {call}: {error}; raise --context-limit or use the mode stateful"
        ) from None


def texts(turn: Turn) -> Iterator[tuple[int, str]]:
    """Every text of a turn that can stand behind a handle, with its number."""
    for message, seq in zip(turn.messages, turn.seqs, strict=True):
        yield seq, message.content
    for call, seq in zip(turn.messages[0].calls, turn.call_seqs, strict=True):
        yield seq, call.args if isinstance(call.args, str) else tokens.compact(call.args)


def _out(path: Path) -> AbstractContextManager[IO[str]]:
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent} to write {path.name} into; make it first")
    return _open(path, "w")


ERRORS = {"r": "strict", "w": "backslashreplace"}
"""A lone surrogate is written as JSON escapes it, so that any reader of UTF-8 can read the file."""


@contextmanager
def _open(path: Path, how: str) -> Iterator[IO[str]]:
    if path.suffix == ".gz":
        raw: IO[bytes] = path.open(how + "b")
        # without a name and a time, equal prompts make equal files
        with (
            raw,
            gzip.GzipFile(filename="", fileobj=raw, mode=how + "b", mtime=0, compresslevel=1) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", errors=ERRORS[how]) as text,
        ):
            yield text
    else:
        with path.open(how, encoding="utf-8", errors=ERRORS[how]) as text:
            yield text


def prompts(calls: Iterable[Call]) -> Iterator[Json]:
    """The lines of a prompts file."""
    for call in calls:
        messages = [message.wire() for message in call.prompt.messages]
        yield {"trajectory": call.trajectory, "call": call.call, "messages": messages, "tools": list(call.prompt.tools)}


def vault(trajectory: str, texts: dict[str, str]) -> Iterator[Json]:
    """The lines of a vault file."""
    yield from ({"trajectory": trajectory, "ref": ref, "text": text} for ref, text in texts.items())


def replay_files(settings: Replay, traces: Iterable[Path], prompts_to: Path, vault_to: Path | None) -> dict[str, int]:
    """Replay whole trace files into a prompts file and a vault file; the totals.

    `tokens` are those of all prompts, `surface` the part of them that is system text and tool schemas.
    """
    total = {"trajectories": 0, "calls": 0, "tokens": 0, "surface": 0, "folds": 0}
    with ExitStack() as files:
        out = files.enter_context(_out(prompts_to))
        shelf = files.enter_context(_out(vault_to)) if vault_to else None
        for trajectory in (t for path in traces for t in read(path)):
            calls, texts = settings.run(trajectory)
            _write(prompts(calls), out)
            if shelf:
                _write(vault(trajectory.id, texts), shelf)
            total["trajectories"] += 1
            total["calls"] += len(calls)
            total["tokens"] += sum(call.prompt.size for call in calls)
            total["surface"] += sum(call.prompt.surface for call in calls)
            total["folds"] += sum(len(call.prompt.folds) for call in calls)
    return total


def _write(lines: Iterable[Json], file: IO[str]) -> None:
    for line in lines:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
