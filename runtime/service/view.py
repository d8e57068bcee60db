"""An agent's log as LangGraph's clients see it: messages, states, events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from satchel.memory.records import Call, Ended, Reply, Result, Said, Started
from satchel.runtime.events import ReplyReceived, RunEnded, ToolFinished
from satchel.runtime.service.served import Part, Rest

if TYPE_CHECKING:
    from satchel.memory.records import Entry
    from satchel.memory.store import ThreadId
    from satchel.runtime.events import Event
    from satchel.runtime.service.served import Job

STOPPED = {"paused", "uncertain", "interrupted"}
"""Outcomes after which a thread waits for somebody to say how it goes on."""

Message = dict[str, Any]


def messages(log: Iterable[Entry]) -> list[Message]:
    """The messages of a log, in the shape that LangChain's have on the wire."""
    found: list[Message] = []
    names: dict[str, str] = {}
    for entry in log:
        record = entry.record
        if isinstance(record, Said):
            found.append(_message("human", record.text, entry.seq))
        elif isinstance(record, Reply):
            found.append(_reply(record, entry.seq))
        elif isinstance(record, Call):
            names[record.id] = record.name
            if found and found[-1]["type"] == "ai":
                found[-1]["tool_calls"].append(_call(record))
        elif isinstance(record, Result):
            status = "error" if record.error else "success"
            extra = {"tool_call_id": record.call, "status": status, "artifact": None}
            found.append({**_message("tool", record.text, entry.seq, names.get(record.call)), **extra})
    return found


def _message(kind: str, text: str, seq: int, name: str | None = None) -> Message:
    base: Message = {"content": text, "additional_kwargs": {}, "response_metadata": {}, "type": kind}
    return {**base, "name": name, "id": f"m{seq}"}


def _reply(record: Reply, seq: int) -> Message:
    used = record.usage
    usage = {
        "input_tokens": used.input,
        "output_tokens": used.output + used.reasoning,
        "total_tokens": used.total,
        "input_token_details": {"cache_read": used.cache_read, "cache_creation": used.cache_write},
    }
    calls: dict[str, Any] = {"tool_calls": [], "invalid_tool_calls": [], "usage_metadata": usage}
    return {**_message("ai", record.text, seq), "response_metadata": {"model_name": record.model}, **calls}


def _call(record: Call) -> dict[str, Any]:
    return {"name": record.name, "args": record.args, "id": record.id, "type": "tool_call"}


def values(log: Sequence[Entry]) -> dict[str, Any]:
    """The state: messages, and how the last run ended if it has."""
    ended = _ended(log)
    return {
        "messages": messages(log),
        "output": ended.text if ended else None,
        "outcome": ended.outcome if ended else None,
    }


def _ended(log: Sequence[Entry]) -> Ended | None:
    for entry in reversed(log):
        if isinstance(entry.record, Ended):
            return entry.record
        if isinstance(entry.record, Started):
            return None
    return None


def rest(log: Sequence[Entry]) -> Rest:
    """Interrupted if the last run waits for somebody, or was cut off."""
    ended = _ended(log)
    if not any(isinstance(entry.record, Started) for entry in log):
        return Rest()
    if ended is None or ended.outcome in STOPPED:
        return Rest("interrupted", {"run": [_waits(log, ended)]} if ended else {})
    return Rest()


def _waits(log: Sequence[Entry], ended: Ended) -> dict[str, Any]:
    return {"id": f"e{log[-1].seq}", "value": {"outcome": ended.outcome, "detail": ended.detail}}


def state(thread: ThreadId, log: Sequence[Entry]) -> dict[str, Any]:
    """The state of a thread whose log is this."""
    ended, found = _ended(log), rest(log)
    waiting = next(iter(found.interrupts.values()), [])
    going = bool(log) and (ended is None or found.status == "interrupted")
    at = _place(thread, len(log)) if log else None
    task = {"id": "run", "name": "model", "path": [], "error": None, "interrupts": list(waiting)}
    return {
        "values": values(log) if log else {},
        "next": ["model"] if going else [],
        "tasks": [{**task, "checkpoint": None, "state": None, "result": None}] if going else [],
        "metadata": {"source": "loop", "step": len(log), "parents": {}, "thread_id": thread.name} if log else None,
        "created_at": None,
        "checkpoint": at,
        "parent_checkpoint": None,
        "interrupts": list(waiting),
        "checkpoint_id": at["checkpoint_id"] if at else None,
        "parent_checkpoint_id": None,
    }


def _place(thread: ThreadId, length: int) -> dict[str, Any]:
    return {"checkpoint_id": str(length), "thread_id": thread.name, "checkpoint_ns": ""}


def history(thread: ThreadId, log: Sequence[Entry], *, limit: int, before: str | None) -> list[dict[str, Any]]:
    """The states at the ends of a thread's runs and of what runs now, newest first."""
    ends = [n + 1 for n, entry in enumerate(log) if isinstance(entry.record, Ended)]
    if log and (not ends or ends[-1] != len(log)):
        ends.append(len(log))
    if before is not None and before.isdigit():
        ends = [end for end in ends if end < int(before)]
    return [state(thread, log[:end]) for end in reversed(ends)][:limit]


def task(asked: Mapping[str, Any]) -> str | None:
    """The user's words in a run's input: a text, `task`, or the human messages at the end; None is to go on."""
    given = asked.get("input")
    if asked.get("command") or given is None:
        return None
    if isinstance(given, str):
        return given
    if isinstance(given, Mapping) and isinstance(given.get("task"), str):
        return str(given["task"])
    found = given.get("messages") if isinstance(given, Mapping) else given
    texts: list[str] = []
    for one in reversed(found if isinstance(found, list) else [found]):
        if _role(one) not in {"human", "user"}:
            break
        texts.insert(0, _text(one))
    return "\n\n".join(texts) or None


def _role(message: Any) -> str:
    if isinstance(message, str):
        return "user"
    if isinstance(message, list) and message:
        return str(message[0])
    return str(message.get("role") or message.get("type")) if isinstance(message, Mapping) else ""


def _text(message: Any) -> str:
    if isinstance(message, str):
        return message
    content = message[1] if isinstance(message, list) else message.get("content")
    if isinstance(content, list):
        return "\n".join(str(p.get("text", "")) if isinstance(p, Mapping) else str(p) for p in content)
    return str(content or "")


class Shown:
    """The events of a run in the modes that were asked for, made from what its log gains."""

    def __init__(self, job: Job, log: Sequence[Entry]) -> None:
        self._modes = set(job.modes)
        self._seen = len(messages(log))
        self._about = {"thread_id": job.thread.name, "run_id": job.run}

    def first(self) -> list[Part]:
        """Nothing is known before the first event but what the log holds."""
        return []

    def after(self, event: Event, log: Sequence[Entry]) -> list[Part]:
        """The events of the API for one of ours."""
        found: list[Part] = []
        if "custom" in self._modes and not isinstance(event, RunEnded) and is_dataclass(event):
            found.append(Part("custom", {"type": _snake(type(event).__name__), **asdict(event)}))
        if isinstance(event, (ReplyReceived, ToolFinished)):
            found += self._news(log)
        return found

    def last(self, log: Sequence[Entry]) -> list[Part]:
        """What came without an event, what the run waits for, and the state at the end."""
        waits = {"__interrupt__": found} if (found := rest(log).interrupts.get("run")) else {}
        told = self._news(log, quiet=True)
        if waits and "updates" in self._modes:
            told.append(Part("updates", waits))
        return [*told, Part("values", {**values(log), **waits})] if "values" in self._modes else told

    def _news(self, log: Sequence[Entry], *, quiet: bool = False) -> list[Part]:
        whole = messages(log)
        fresh, self._seen = whole[self._seen :], len(whole)
        found: list[Part] = []
        for message in fresh:
            node = {"ai": "model", "tool": "tool"}.get(message["type"])
            if node is None:
                continue
            about = {**self._about, "langgraph_node": node}
            if "messages-tuple" in self._modes:
                found.append(Part("messages", [message, about]))
            if "messages" in self._modes:
                found.append(Part("messages/metadata", {message["id"]: {"metadata": about}}))
                found.append(Part("messages/complete", [message]))
            if "updates" in self._modes:
                found.append(Part("updates", {node: {"messages": [message]}}))
        if fresh and "values" in self._modes and not quiet:
            found.append(Part("values", values(log)))
        return found


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def schemas(name: str) -> dict[str, Any]:
    """JSON schemas of an agent."""
    listed = {"messages": {"type": "array", "items": {"type": "object"}}}
    text = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    given = {"title": f"{name}_input", "type": "object", "properties": {"task": {"type": "string"}, **listed}}
    made = {"title": f"{name}_state", "type": "object", "properties": {**listed, "output": text, "outcome": text}}
    return {
        "graph_id": name,
        "input_schema": given,
        "output_schema": made,
        "state_schema": made,
        "config_schema": {},
        "context_schema": None,
    }
