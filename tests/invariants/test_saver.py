"""Hypothesis against the saver's lists: whatever is appended, cut, forked or changed in place, each version is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from satchel.memory import RedisSaver

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}
ITEMS = st.sampled_from(["a", "b" * 99, "c" * 99, None, 1, True, 1.0]) | st.lists(st.integers(0, 3), max_size=2)


class Versions(RuleBasedStateMachine):
    """Checkpoints with one list, each made from any earlier one; the oracle is the lists themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.saver = RedisSaver.from_url("memory://")
        self.kept: list[tuple[Any, list[Any], bool]] = []

    def teardown(self) -> None:
        self.saver.close()

    def put(self, parent: int | None, value: list[Any], *, snapshot: bool) -> None:
        config = self.kept[parent][0] if parent is not None else CONFIG
        version = self.saver.get_next_version(None, None)
        checkpoint: Any = {**empty_checkpoint(), "channel_versions": {"log": version}}
        checkpoint["channel_values"] = {"log": _DeltaSnapshot(value) if snapshot else value}
        stored = self.saver.put(config, checkpoint, {"source": "loop", "step": 0}, {"log": version})
        self.kept.append((stored, list(value), snapshot))

    @rule(value=st.lists(ITEMS, max_size=5), snapshot=st.booleans())
    def begin(self, value: list[Any], *, snapshot: bool) -> None:
        self.put(None, value, snapshot=snapshot)

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), more=st.lists(ITEMS, max_size=4), cut=st.integers(0, 4), snapshot=st.booleans())
    def go_on(self, data: st.DataObject, more: list[Any], cut: int, *, snapshot: bool) -> None:
        parent = data.draw(st.integers(0, len(self.kept) - 1))
        old = self.kept[parent][1]
        self.put(parent, [*old[: max(0, len(old) - cut)], *more], snapshot=snapshot)

    @rule()
    def forget(self) -> None:
        self.saver._of.forget()

    @precondition(lambda self: self.kept)
    @rule()
    def prune(self) -> None:
        self.saver.prune(["t1"])
        newest = max(self.kept, key=lambda row: row[0]["configurable"]["checkpoint_id"])
        self.kept = [newest]

    @invariant()
    def every_version_reads_back(self) -> None:
        for config, value, snapshot in self.kept:
            found = self.saver.get_tuple(config)
            assert found is not None
            read = found.checkpoint["channel_values"]["log"]
            assert isinstance(read, _DeltaSnapshot) is snapshot
            assert repr(read.value if snapshot else read) == repr(value)


TestVersions = Versions.TestCase
TestVersions.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def spoken() -> list[AnyMessage]:
    """A message of each kind, with containers in containers and empty ones."""
    call = {"name": "look", "args": {"at": [1, {"deep": "x"}], "all": {}}, "id": "c1"}
    return [
        HumanMessage("hello", additional_kwargs={"tags": ["a", ["b"]], "none": []}),
        AIMessage([{"type": "text", "text": "so"}, "and"], tool_calls=[call], response_metadata={"model": {"id": 1}}),
        ToolMessage("found", tool_call_id="c1", artifact={"rows": [[1, 2], [3]]}),
    ]


NEW: list[Callable[[], Any]] = [str, dict, list, lambda: "new", lambda: 7, lambda: [{"new": []}], lambda: {"new": {}}]
"""What is put in place of something else, made anew each time, also if it equals what stood there."""


FREE = ("additional_kwargs", "response_metadata", "artifact", "extra")
"""Fields in which anything may stand."""


def inner(value: Any) -> list[Any]:
    """The lists and dicts that a value is made of, itself among them."""
    if not isinstance(value, list | dict):
        return []
    parts = value.values() if isinstance(value, dict) else value
    return [value, *(found for part in parts for found in inner(part))]


def change(draw: Callable[[Any], Any], log: list[Any]) -> None:
    """One change in place, anywhere in a list of messages."""
    message = log[draw(st.integers(0, len(log) - 1))]
    new = draw(st.sampled_from(NEW))()
    way = draw(st.sampled_from(["text", "field", "more", "part", "part", "part"]))
    if way == "text":
        message.content = draw(st.sampled_from(["", "new", "newer"]))
    elif way == "field":
        setattr(message, draw(st.sampled_from(["additional_kwargs", "response_metadata"])), {"fresh": new})
    elif way == "more":
        message.extra = new
    else:
        anything = [getattr(message, name, None) for name in FREE]
        called = [call["args"] for call in getattr(message, "tool_calls", ())]
        places = [part for value in anything + called for part in inner(value)]
        edit(draw, places[draw(st.integers(0, len(places) - 1))], new)


def edit(draw: Callable[[Any], Any], place: Any, new: Any) -> None:
    """One change of a list or a dict."""
    if isinstance(place, list):
        at = draw(st.integers(0, len(place)))
        way = draw(st.sampled_from([place.insert, place.__setitem__, list.reverse, list.clear]))
        if way == place.insert or (way == place.__setitem__ and at < len(place)):
            way(at, new)
        elif way in {list.reverse, list.clear}:
            way(place)
        return
    key = draw(st.sampled_from([*place, "more"]))
    way = draw(st.sampled_from(["set", "rename", "drop", "clear"]))
    if way == "set":
        place[key] = new
    elif way == "clear":
        place.clear()
    else:
        old = place.pop(key, new)
        if way == "rename":
            place["renamed"] = old


def rearrange(draw: Callable[[Any], Any], log: list[Any]) -> None:
    """Messages go, come, change places, or are replaced by equal ones."""
    at = draw(st.integers(0, len(log) - 1))
    way = draw(st.sampled_from(["drop", "add", "swap", "copy"]))
    if way == "drop" and len(log) > 1:
        del log[at]
    elif way == "swap":
        log[0], log[at] = log[at], log[0]
    elif way == "copy":
        log[at] = log[at].model_copy(deep=True)
    else:
        log.insert(at, spoken()[at % 3])


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_is_changed_in_place_is_in_the_next_checkpoint_and_in_none_before(data: st.DataObject) -> None:
    serde = JsonPlusSerializer()
    saver, config = RedisSaver.from_url("memory://"), CONFIG
    log: list[Any] = [*spoken(), *spoken()]
    kept: list[tuple[Any, list[Any]]] = []
    for _ in range(4):
        version = saver.get_next_version(None, None)
        checkpoint: Any = {**empty_checkpoint(), "channel_versions": {"log": version}, "channel_values": {"log": log}}
        config = saver.put(config, checkpoint, {"source": "loop", "step": 0}, {"log": version})
        kept.append((config, [serde.dumps_typed(item) for item in log]))
        for _ in range(data.draw(st.integers(0, 3))):
            how = data.draw(st.sampled_from([change, change, change, rearrange]))
            how(data.draw, log)
        if data.draw(st.booleans()):
            log = [*log]  # as a reducer hands over a new list
    for config, items in kept:
        found = saver.get_tuple(config)
        assert found is not None
        assert [serde.dumps_typed(item) for item in found.checkpoint["channel_values"]["log"]] == items
    saver.close()
