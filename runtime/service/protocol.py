"""The events of runs in the terms of LangChain's agent protocol (langchain-protocol 0.0.20), version 3 of streaming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from satchel.memory.runs import END, order
from satchel.runtime.service import wire
from satchel.runtime.service.chat_answers import text
from satchel.runtime.service.modes import PROTOCOL

if TYPE_CHECKING:
    from satchel.memory.runs import Event, RunRow

Told = dict[str, Any]

CHANNELS = ("values", "updates", "messages", "tools", "custom", "lifecycle", "input", "tasks", "checkpoints")
MODES = [PROTOCOL, "values", "messages-tuple", "tools", "custom"]
"""What a run is asked to stream, so that its events can be told; a graph that knows the first needs no other."""

PLAIN = {"tools", "custom", "tasks"}
"""Modes whose events are told as they are; `updates` one by one unless the graph streams version 3 itself, and
`checkpoints`, as on the reference server, not."""

STEP = 1_000
"""Numbers that are left for the events of one millisecond."""


class Teller:
    """Tells the events of one thread, in order; what it is told again gets the same numbers."""

    def __init__(self) -> None:
        self._seq = 0
        self._graph = ""
        self._inner: list[list[str]] = []
        self._done: list[list[str]] = []
        self._pieces: dict[str, str] = {}
        self._waits: set[str] = set()
        self._error: str | None = None

    def tell(self, row: RunRow, event: Event) -> Iterator[Told]:
        """The events of the protocol for one of ours."""
        moment = order(event.id)[0]
        for n, (method, ns, data) in enumerate(self._all(row, event)):
            self._seq = max(self._seq + 1, moment * STEP)
            said = data if method == "updates" else {"data": data}
            params = {"namespace": list(ns), "timestamp": moment, **said}
            yield {
                "type": "event",
                "event_id": f"{row.id}:{event.id}.{n}",
                "seq": self._seq,
                "method": method,
                "params": params,
            }

    def _all(self, row: RunRow, event: Event) -> Iterator[tuple[str, Sequence[str], Any]]:
        mode, *ns = event.name.split("|")
        data: Any = event.data.decode() if mode == END else wire.loads(event.data)
        if ns and ns not in [*self._inner, *self._done]:
            self._inner.append(ns)
            name, _, task = ns[-1].partition(":")
            yield "lifecycle", ns, {"event": "started", "namespace": ns, "graph_name": name, "trigger_call_id": task}
        if mode == "metadata":
            self._graph = str(wire.loads(row.doc)["graph_id"])
            self._inner, self._done, self._pieces, self._waits, self._error = [], [], {}, set(), None
            yield "lifecycle", [], {"event": "running", "graph_name": self._graph}
        elif mode == "error":
            self._error = data["message"]
        elif mode == END:
            yield from self._end(data)
        else:
            yield from self._of_graph(mode, ns, data)

    def _of_graph(self, mode: str, ns: list[str], data: Any) -> Iterator[tuple[str, Sequence[str], Any]]:
        if mode == "values":
            yield from self._values(ns, data)
        elif mode == "messages":
            yield from (("messages", ns, one) for one in self._message(data[0]))
        elif mode == "message":
            yield "messages", ns, data
        elif mode == "updates":
            yield from (("updates", ns, one) for one in _updates(data))
        elif mode == "update":
            yield "updates", ns, {"data": data}
        elif mode == "lifecycle":
            yield from self._inner_end(data["namespace"], data)
        elif mode in PLAIN:
            yield mode, ns, data
        if mode == "tools" and data.get("event") == "tool-finished":
            below = [*ns, f"tools:{data['tool_call_id']}"]
            yield from (("messages", below, one) for one in _answer(data["output"]))

    def _values(self, ns: Sequence[str], data: Any) -> Iterator[tuple[str, Sequence[str], Any]]:
        waits = data.pop("__interrupt__", None) if isinstance(data, dict) else None
        for one in waits or ():
            if one["id"] not in self._waits:  # told by the graph that asks, then by all around it
                self._waits.add(one["id"])
                yield "input.requested", ns, {"interrupt_id": one["id"], "payload": one["value"]}
        below = [inner for inner in self._inner if not waits and len(inner) > len(ns) and inner[: len(ns)] == [*ns]]
        for inner in reversed(below):  # values come at the end of a step, and so of the graphs within it
            yield from self._inner_end(inner, {"event": "completed"})
        yield "values", ns, data

    def _inner_end(self, ns: list[str], how: Told) -> Iterator[tuple[str, Sequence[str], Any]]:
        """The end of a graph within the graph, once; its beginning was told with its first event."""
        if ns in self._inner and how["event"] != "started":
            self._inner.remove(ns)
            self._done.append(ns)
            told = {key: value for key, value in how.items() if key in {"event", "error"}}
            yield "lifecycle", ns, {**told, "graph_name": ns[-1].partition(":")[0]}

    def _message(self, message: dict[str, Any]) -> Iterator[Told]:
        kind, name = str(message.get("type")), str(message.get("id"))
        if kind not in {"ai", "AIMessageChunk"}:
            return
        if name not in self._pieces:
            self._pieces[name] = ""
            yield {"event": "message-start", "role": "ai", "id": name}
        if piece := text(message.get("content")):
            if not self._pieces[name]:
                yield {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}}
            self._pieces[name] += piece
            yield {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": piece}}
        if kind == "ai" or message.get("chunk_position") == "last":
            yield from self._finish(message, self._pieces[name])

    @staticmethod
    def _finish(message: dict[str, Any], whole: str) -> Iterator[Told]:
        blocks: list[Told] = [{"type": "text", "text": whole}] if whole else []
        blocks += [{**call, "type": "tool_call"} for call in message.get("tool_calls") or ()]
        for index, block in enumerate(blocks):
            if block["type"] != "text":
                yield {"event": "content-block-start", "index": index, "content": block}
            yield {"event": "content-block-finish", "index": index, "content": block}
        usage = message.get("usage_metadata")
        yield {"event": "message-finish", **({"usage": usage} if usage else {})}

    def _end(self, status: str) -> Iterator[tuple[str, Sequence[str], Any]]:
        if self._error is not None or status in {"interrupted", "rollback"}:
            how = {"event": "failed", "error": self._error or f"the run was ended: {status}"}
        else:
            how = {"event": "interrupted" if self._waits else "completed"}
        for ns in reversed(self._inner):
            yield "lifecycle", ns, {**how, "graph_name": ns[-1].partition(":")[0]}
        yield "lifecycle", [], {**how, "graph_name": self._graph}


def _answer(output: Any) -> Iterator[Told]:
    """What a tool answered, as a message."""
    if not isinstance(output, dict) or output.get("type") != "tool":
        return
    block = {"type": "text", "text": text(output.get("content"))}
    yield {"event": "message-start", "role": "tool", "id": output.get("id"), "tool_call_id": output["tool_call_id"]}
    yield {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}}
    yield {"event": "content-block-delta", "index": 0, "content": block}
    yield {"event": "content-block-finish", "index": 0, "content": block}
    yield {"event": "message-finish", "metadata": {}}


def _updates(data: Mapping[str, Any]) -> Iterator[Told]:
    """What each node changed; what it waits for is told as input that is requested."""
    for node, change in data.items():
        if node != "__interrupt__":
            yield {"data": change if isinstance(change, dict) else {"value": change}, "node": node}


def pauses(event: Told) -> bool:
    """Whether clients stop reading what a run tells: it waits for an answer, or has ended."""
    params = event["params"]
    ended = event["method"] == "lifecycle" and not params["namespace"] and params["data"]["event"] != "running"
    return bool(ended) or event["method"] == "input.requested"


class Wish:
    """What one subscription wants to hear."""

    def __init__(
        self, channels: Sequence[str], namespaces: Sequence[Sequence[str]], depth: int | None, since: int
    ) -> None:
        self._channels = set(channels)
        self._namespaces = namespaces
        self._depth = depth
        self._since = since

    def wants(self, event: Told) -> bool:
        """Whether an event is one of them."""
        channel = event["method"].partition(".")[0]
        data = event["params"]["data"]
        named = f"custom:{data.get('name')}" if channel == "custom" and isinstance(data, dict) else channel
        return event["seq"] > self._since and bool({channel, named} & self._channels) and self._near(event)

    def _near(self, event: Told) -> bool:
        ns = event["params"]["namespace"]
        if not self._namespaces:
            return True
        return any(
            len(ns) >= len(prefix)
            and all(part in {one, one.partition(":")[0]} for part, one in zip(prefix, ns, strict=False))
            and (self._depth is None or len(ns) - len(prefix) <= self._depth)
            for prefix in self._namespaces
        )
