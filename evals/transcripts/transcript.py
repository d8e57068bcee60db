"""What every reader of transcripts makes: a trajectory, what was billed for it, and what it does not show.

Thinking is left out of messages, since providers drop that of earlier turns, and an image is the word `[image]`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from satchel.evals.replay import Trajectory
from satchel.evals.transcripts.source import shallow
from satchel.memory.normalise import text as clean
from satchel.memory.records import Usage
from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message, Role, ToolCall

if TYPE_CHECKING:
    from satchel.memory.records import Json

LONGEST_NAME = 120
"""Characters of the name of a model or a trajectory that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """One call as its provider billed it: tokens, and dollars if the transcript has them (else None)."""

    model: str | None
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A recorded run. `compactions` are the summaries that its harness put in place of history; they are left out."""

    trajectory: Trajectory
    model: str | None = None
    billed: tuple[Billed, ...] = ()
    compactions: int = 0

    @property
    def lacks(self) -> tuple[str, ...]:
        """What of the fixed surface does not stand in the transcript."""
        system = any(m.role == "system" for m in self.trajectory.messages)
        return tuple(["system text"] * (not system) + ["tool schemas"] * (not self.trajectory.tools))


def transcript(
    name: str,
    messages: Iterable[Message],
    *,
    tools: Json = None,
    model: Json = None,
    billed: Iterable[Billed] = (),
    compactions: int = 0,
) -> Transcript:
    """A transcript of parts as they were found. Raises `ValueError` if the tools are no list of schemas."""
    if not isinstance(tools or [], list) or not all(isinstance(tool, dict) for tool in tools or []):
        raise ValueError("tools is no list of schemas")
    named = clean(name)[:LONGEST_NAME]
    return Transcript(
        trajectory=Trajectory(named, tuple(tools or ()), tuple(_answered(messages))),
        model=clean(model)[:LONGEST_NAME] if isinstance(model, str) and model else None,
        billed=tuple(billed),
        compactions=compactions,
    )


def _answered(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages, but results of calls that are not there are words of the user, as any chat must have it."""
    open_calls: set[str] = set()
    for message in messages:
        if message.role == "tool" and message.call_id not in open_calls:
            yield Message("user", message.content)
            continue
        if message.role == "tool":
            open_calls.discard(str(message.call_id))
        else:
            open_calls = {call.id for call in message.calls}
        yield message


def words(content: Json) -> str:
    """The text of a message's content: its own, or that of its blocks; other blocks are named."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TypeError(f"content is {type(content).__name__}, neither text nor blocks")
    shown = (block if isinstance(block, str) else _block(block) for block in content)
    return "\n".join(text for text in shown if text)


SILENT = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "tool_use", "tool_call", "toolCall", "tool_result", "function_call"}
)
"""Blocks that are no words: thoughts, which are not sent again, and what stands in the message elsewhere."""


def _block(block: Mapping[str, Json]) -> str:
    kind = block.get("type")
    if kind in SILENT:
        return ""
    text = block.get("text", block.get("refusal"))
    if isinstance(text, str):
        return text
    return "[image]" if kind in tokens.IMAGES else f"[{clean(str(kind))[:40]}]"


def arguments(value: Json) -> Json:
    """The arguments of a call, from JSON text or as they are; text that is no JSON stays text."""
    if not isinstance(value, str):
        return {} if value is None else value
    try:
        found = json.loads(value) if value.strip() else {}
    except (ValueError, RecursionError):
        return value
    return found if shallow(found) else value


def call(found: Mapping[str, Json], *, name: str = "name", args: str = "input") -> ToolCall:
    """A call from its fields."""
    return ToolCall(str(found.get("id")), str(found[name]), arguments(found.get(args)))


def blocks(content: Json, kind: str) -> list[Mapping[str, Json]]:
    """The blocks of one kind in a content."""
    every = content if isinstance(content, list) else []
    return [block for block in every if isinstance(block, dict) and block.get("type") == kind]


def said(role: Role, content: Json) -> Iterator[Message]:
    """A message of words, unless there are none."""
    if text := words(content):
        yield Message(role, text)


MOST_TOKENS = 10**15
"""A count above this is none."""


def count(found: Mapping[str, Json], *names: str) -> int:
    """The first of these counts of tokens that is there; 0 if none is. Raises `ValueError` for one beyond reason."""
    value = next((found[name] for name in names if isinstance(found.get(name), int | float)), 0)
    if not abs(value) <= MOST_TOKENS:
        raise ValueError("a count of tokens beyond reason")
    return max(0, int(value))


def bill(model: Json, used: Usage) -> Billed:
    """A bill with the name of the model that answered, if it has one."""
    return Billed(model=clean(model)[:LONGEST_NAME] if isinstance(model, str) else None, usage=used)


def usage(*, total: int, read: int, write: int, output: int, reasoning: int = 0, usd: Json = None) -> Usage:
    """Usage in disjoint buckets, where `total` counts all input and `output` the reasoning, too."""
    return Usage(
        fresh=max(0, total - read - write), cache_read=read, cache_write=write, output=max(0, output - reasoning),
        reasoning=reasoning, model_calls=1,
        usd=float(usd) if isinstance(usd, int | float) and abs(usd) <= MOST_TOKENS else None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One logged model call: the prompt as it was sent, the reply, and its bill; or a whole chat, without a reply."""

    messages: tuple[Message, ...] = ()
    reply: tuple[Message, ...] = ()
    tools: Json = None
    model: Json = None
    billed: tuple[Billed, ...] = ()


def conversations(name: str, requests: Iterable[Request]) -> Iterator[Transcript]:
    """The conversations of which requests are the calls: each prompt that begins with another goes on with it."""
    ends: dict[bytes, list[Request]] = {}
    every: list[list[Request]] = []
    for request in requests:
        marks = list(_marks(request.messages))
        before = next((ends.pop(mark) for mark in reversed(marks[:-1]) if mark in ends), None)
        group = before if before is not None else []
        if before is None:
            every.append(group)
        group.append(request)
        ends[marks[-1] if marks else b""] = group
    for n, group in enumerate(every):
        last = group[-1]
        bill = tuple(billed for request in group for billed in request.billed)
        named = name if len(every) == 1 else f"{name}#{n + 1}"
        yield transcript(named, (*last.messages, *last.reply), tools=last.tools, model=last.model, billed=bill)


def _marks(messages: Iterable[Message]) -> Iterator[bytes]:
    """A digest of each beginning of a prompt."""
    so_far = hashlib.sha256()
    for message in messages:
        so_far.update(tokens.render(message).encode(errors="replace") + b"\0")
        yield so_far.digest()


def renamed(found: Transcript, name: str) -> Transcript:
    """The same transcript under another name."""
    return replace(found, trajectory=replace(found.trajectory, id=name))
