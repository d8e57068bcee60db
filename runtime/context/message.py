"""The chat message that every part of the context engine speaks: the shape of a trace file, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from satchel.memory.records import Json

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call in a reply: `args` is a JSON value, an object unless the model got it wrong."""

    id: str
    name: str
    args: Json


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Message:
    """One message. `calls` stand in an assistant message; `call_id` in a tool message names the call it answers.

    `opaque` holds provider parts that are sent back unmodified; the last `volatile` characters of `content` are the
    tail, which the next prompt will not have. Messages compare by identity: the engine makes each once and counts it
    once.
    """

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    name: str | None = None
    opaque: Json = None
    volatile: int = 0

    def wire(self) -> dict[str, Json]:
        """The message as it stands in a trace or prompts file."""
        out: dict[str, Json] = {"role": self.role, "content": self.content}
        if self.calls:
            out["tool_calls"] = [{"id": c.id, "name": c.name, "args": c.args} for c in self.calls]
        if self.call_id is not None:
            out["tool_call_id"] = self.call_id
        if self.name is not None:
            out["name"] = self.name
        return out

    @classmethod
    def from_wire(cls, raw: Mapping[str, Json]) -> Message:
        """Read a message of a trace file; content given as parts is joined by line breaks.

        Raises `KeyError`, `TypeError`, `AttributeError` or `ValueError` for what is no message.
        """
        if raw["role"] not in get_args(Role):
            raise ValueError(f"unknown role {raw['role']!r}")
        content = raw.get("content") or ""
        if not isinstance(content, str):
            content = "\n".join(str(part.get("text", "")) for part in content)
        calls = tuple(ToolCall(str(c.get("id")), str(c["name"]), c["args"]) for c in raw.get("tool_calls") or ())
        return cls(
            role=cast("Role", raw["role"]),
            content=content,
            calls=calls,
            call_id=raw.get("tool_call_id"),
            name=raw.get("name"),
        )
