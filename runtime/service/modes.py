"""From LangGraph's stream to the events of the API: which modes to ask the graph for, and what each part becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from langchain_core._api import suppress_langchain_beta_warning
from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message
from langgraph.types import StreamMode

from satchel.runtime.service import snapshots
from satchel.runtime.service.served import Part

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.pregel import Pregel
    from langgraph.runtime import RunControl

ASKED = {"messages-tuple": "messages"}
"""Modes of the API under another name in the graph."""

KNOWN = set(get_args(StreamMode))

PROTOCOL = "protocol"
"""Asks for what LangGraph itself streams in version 3, under the names of the modes but for what looks different."""

OTHERWISE = {"messages": "message", "updates": "update"}
"""What looks different in version 3, under names of its own."""


class Modes:
    """The modes of one run, and the messages that are put together on the way."""

    def __init__(self, modes: Sequence[str]) -> None:
        self._modes = set(modes)
        self._whole: dict[str, BaseMessageChunk] = {}
        self._named: set[str] = set()

    @property
    def asked(self) -> list[Any]:
        """The modes to ask the graph for."""
        found = {ASKED.get(mode, mode) for mode in self._modes}
        return sorted(found & KNOWN) or ["values"]

    async def source(
        self,
        graph: Pregel[Any, Any, Any, Any],
        given: Any,
        config: RunnableConfig,
        options: dict[str, Any],
        control: RunControl,
    ) -> AsyncIterator[Part]:
        """Run the graph and give its events."""
        if PROTOCOL in self._modes:
            del options["subgraphs"]  # version 3 always has them
            with suppress_langchain_beta_warning():
                run: Any = await graph.astream_events(given, config, version="v3", control=control, **options)
            async with run:
                async for event in run:
                    for part in _protocol(event["method"], **event["params"]):
                        yield part
            return
        if "events" in self._modes:
            events: Any = graph.astream_events(given, config, version="v2", stream_mode=self.asked, **options)
            async for event in events:
                for part in self._event(event, root=not event.get("parent_ids"), subgraphs=options["subgraphs"]):
                    yield part
            return
        stream: Any = graph.astream(given, config, stream_mode=self.asked, control=control, **options)
        async for chunk in stream:
            ns, mode, data = chunk if options["subgraphs"] else ((), *chunk)
            for part in self.parts(ns, mode, data):
                yield part

    def parts(self, ns: Sequence[str], mode: str, data: Any) -> list[Part]:
        """The events of one part of the graph's stream."""
        if mode == "messages":
            return self._messages("|".join(["messages", *ns]), *data)
        if mode not in self._modes:
            return []
        where = "|".join([mode, *ns])
        return [Part(where, _CHANGED.get(mode, _same)(data))]

    def _messages(self, where: str, message: BaseMessage, metadata: Mapping[str, Any]) -> list[Part]:
        kept = {key: value for key, value in metadata.items() if key[:2] != "__"}
        found: list[Part] = []
        if "messages-tuple" in self._modes:
            found.append(Part(where, [message, kept]))
        if "messages" not in self._modes:
            return found
        name = str(message.id)
        if name not in self._named:
            self._named.add(name)
            found.append(Part("messages/metadata", {name: {"metadata": kept}}))
        if not isinstance(message, BaseMessageChunk):
            return [*found, Part("messages/complete", [message])]
        whole = self._whole.get(name)
        self._whole[name] = message if whole is None else whole + message
        return [*found, Part("messages/partial", [_whole_message(self._whole[name])])]

    def _event(self, event: Mapping[str, Any], *, root: bool, subgraphs: bool) -> list[Part]:
        if root and event["event"] == "on_chain_stream":
            chunk = event["data"].get("chunk")
            size = 3 if subgraphs else 2
            if isinstance(chunk, tuple) and len(chunk) == size:
                return self.parts(*(chunk if subgraphs else ((), *chunk)))
        kept = {key: value for key, value in event.get("metadata", {}).items() if key[:2] != "__"}
        return [Part("events", {**event, "metadata": kept})]


def _protocol(
    method: str, *, namespace: Sequence[str], data: Any, interrupts: Sequence[Any] = (), **_: Any
) -> Iterator[Part]:
    """The events of one of version 3, which tells of messages only in pieces, and of waiting beside the values."""
    name = "|".join([OTHERWISE.get(method, method), *namespace])
    if method == "messages":
        piece, _ = data
        if not isinstance(piece, BaseMessage):
            yield Part(name, piece)
        return
    if isinstance(data, Mapping):
        data = {key: value for key, value in data.items() if key != "__interrupt__"}
        data |= {"__interrupt__": interrupts} if interrupts else {}
    yield Part(name, data)


def _whole_message(chunk: BaseMessageChunk) -> BaseMessage:
    made: BaseMessage = message_chunk_to_message(chunk)
    return made


def _same(data: Any) -> Any:
    return data


def _config(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not config:
        return None
    return {"configurable": {k: v for k, v in (config.get("configurable") or {}).items() if k[:2] != "__"}}


def _checkpoint(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "config": _config(data.get("config")), "parent_config": _config(data.get("parent_config"))}


def _debug(data: Mapping[str, Any]) -> dict[str, Any]:
    if data.get("type") != "checkpoint":
        return dict(data)
    payload = _checkpoint(data["payload"])
    places = {
        "checkpoint": snapshots.checkpoint(payload["config"]),
        "parent_checkpoint": snapshots.checkpoint(payload["parent_config"]),
    }
    return {**data, "payload": {**payload, **places}}


_CHANGED: dict[str, Callable[[Any], Any]] = {"debug": _debug, "checkpoints": _checkpoint}
