"""`RedisSaver` at its edges: order, other writers, damage, strange bytes, a process killed among parallel tools."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from satchel.memory import MemoryStore, RedisSaver, ThreadId, points
from satchel.memory.blobs import LARGEST, seal, unseal
from satchel.memory.embedded import attach
from satchel.memory.errors import ConfigError, DamagedEntry, StoreError, StoreUnreachable
from satchel.memory.fields import Change, MemoryFields
from satchel.memory.loops import Everywhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from satchel.memory.fields import Changed

CONFIG: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}
THREAD = ThreadId("t1")


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def over(store: MemoryStore) -> RedisSaver:
    """A saver of its own, as another process would have it, over the same store."""
    saver = RedisSaver.from_url("memory://")

    async def opened() -> Any:
        return store

    saver._at = Everywhere(opened)
    return saver


def put(saver: RedisSaver, values: dict[str, Any], parent: Any = CONFIG) -> Any:
    """A checkpoint with new versions of all these values."""
    checkpoint = {**empty_checkpoint(), "channel_values": values}
    versions = {name: saver.get_next_version(None, None) for name in values}
    checkpoint["channel_versions"] = versions
    return saver.put(parent, checkpoint, {"source": "loop", "step": 0, "parents": {}}, versions)  # type: ignore[arg-type]  # plain dicts


def values(saver: RedisSaver, config: Any = CONFIG) -> dict[str, Any]:
    found = saver.get_tuple(config)
    assert found is not None
    return found.checkpoint["channel_values"]


class Recording(MemoryFields):
    """Fields that remember in which order names were written, and take their time for writes of tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[tuple[str, str, str]] = []
        self.trips = 0

    async def change(self, thread: ThreadId, change: Change) -> Changed:
        self.trips += 1
        if change.push:
            await asyncio.sleep(0.002)
        for name in (*(name for name, _ in change.push), *change.put):
            place = points.place_of(name) or points.place_of_writes(name)
            if place:
                self.order.append((name[:1].decode(), *place))
        return await super().change(thread, change)


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("face", ["asynchronous", "synchronous"])
async def test_a_checkpoint_is_kept_after_the_writes_of_its_parent(durability: Any, face: str) -> None:
    store = MemoryStore()
    store.fields = fields = Recording()
    saver = over(store)
    graph = StateGraph(Chat)
    for n in range(4):
        graph.add_node(f"n{n}", lambda _, n=n: {"messages": [HumanMessage(f"{n}")]})
        graph.add_edge(f"n{n - 1}" if n else START, f"n{n}")
    made = graph.compile(checkpointer=saver)
    given: Any = ({"messages": []}, CONFIG)
    for _ in range(5):
        if face == "asynchronous":
            await made.ainvoke(*given, durability=durability)
        else:
            await asyncio.to_thread(lambda: made.invoke(*given, durability=durability))
    parents = {f.config["configurable"]["checkpoint_id"]: f.parent_config async for f in saver.alist(CONFIG)}
    seen: set[str] = set()
    late = []
    for kind, _, point in fields.order:
        parent = parents[point]
        if kind == "w":
            seen.add(point)
        elif parent is not None and parent["configurable"]["checkpoint_id"] not in seen:
            late.append(parent["configurable"]["checkpoint_id"])
    assert [point for point in late if point in seen] == []
    await saver.aclose()


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_step_and_the_writes_before_it_are_one_round_trip(durability: Any) -> None:
    store = MemoryStore()
    store.fields = fields = Recording()
    saver = over(store)
    graph = StateGraph(Chat)
    for n in range(10):
        graph.add_node(f"n{n}", lambda _, n=n: {"messages": [HumanMessage(f"{n}")]})
        graph.add_edge(f"n{n - 1}" if n else START, f"n{n}")
    await graph.compile(checkpointer=saver).ainvoke({"messages": []}, CONFIG, durability=durability)
    assert len(fields.order) == 12 + 11
    assert fields.trips <= 16
    await saver.aclose()


def test_a_saver_goes_on_where_another_one_has_written() -> None:
    store = MemoryStore()
    one, two = over(store), over(store)
    first = put(one, {"log": ["a" * 99, "b"]})
    second = put(two, {"log": ["a" * 99, "b", "c"]}, first)
    third = put(one, {"log": ["a" * 99, "b", "other"]}, first)
    fourth = put(one, {"log": ["a" * 99, "b", "c", "d"]}, second)
    for config, log in ((first, "ab"), (second, "abc"), (fourth, "abcd")):
        assert [text[:1] for text in values(two, config)["log"]] == list(log)
    assert values(two, third)["log"][2] == "other"
    two.prune(["t1"])
    fifth = put(one, {"log": ["a" * 99, "b", "c", "d", "e" * 99]}, fourth)
    assert [text[:1] for text in values(two, fifth)["log"]] == list("abcde")
    two.delete_thread("t1")
    put(one, {"log": ["a" * 99, "f"]}, fifth)
    assert [text[:1] for text in values(two)["log"]] == ["a", "f"]


def test_tenants_share_connections_and_nothing_else() -> None:
    store = MemoryStore()
    ann = over(store)
    bob = ann.of("bob")
    put(ann, {"x": "ann's"})
    put(bob, {"x": "bob's"})
    assert [values(saver)["x"] for saver in (ann, bob)] == ["ann's", "bob's"]
    assert len(list(bob.list(None))) == 1
    bob.delete_thread("t1")
    assert values(ann)["x"] == "ann's"
    assert bob._at is ann._at
    del ann
    put(bob, {"x": "again"})  # the connections are still there
    bob.close()
    with pytest.raises(ConfigError, match="tenant"):
        bob.of("")


def test_an_item_that_is_changed_in_place_is_written_again() -> None:
    saver = over(MemoryStore())
    messages = [HumanMessage("a" * 99), HumanMessage("b", additional_kwargs={"deep": [{"n": 1}]}), HumanMessage("c")]
    first = put(saver, {"log": messages})
    messages[1].additional_kwargs["deep"][0]["n"] = 2
    second = put(saver, {"log": messages}, first)
    messages[0].content = "A" * 99
    messages[2].extra = 1  # type: ignore[attr-defined]  # messages take what is set
    third = put(saver, {"log": [*messages, "plain"]}, second)
    found = [values(saver, config)["log"] for config in (first, second, third)]
    assert [row[1].additional_kwargs["deep"][0]["n"] for row in found] == [1, 2, 2]
    assert [row[0].content[:1] for row in found] == ["a", "a", "A"]
    assert found[2][2].extra == 1
    assert found[2][3] == "plain"


def test_a_change_in_place_far_back_in_a_long_list_is_noticed() -> None:
    saver = over(MemoryStore())
    log: list[Any] = [HumanMessage(f"{n}") for n in range(300)] + [{"n": 1}, ["x"]]
    changes: list[Callable[[], Any]] = [
        lambda: setattr(log[3], "content", "new"),
        lambda: log[4].additional_kwargs.update(mark=[]),
        lambda: log[4].additional_kwargs["mark"].append("deep"),
        lambda: setattr(log[5], "extra", 1),
        lambda: setattr(log[5], "extra", 2),
        lambda: setattr(log[6], "additional_kwargs", {"mark": []}),
        lambda: log[6].additional_kwargs["mark"].append("in what was set"),
        lambda: log[7].__dict__.update(more=1),
        lambda: log[-2].update(n=2),
        lambda: log[-1].append("y"),
        lambda: log.pop(0),
        lambda: log.insert(9, HumanMessage("between")),
    ]
    config, plain = CONFIG, JsonPlusSerializer()
    for change in changes:
        config = put(saver, {"log": log}, config)
        change()
        config = put(saver, {"log": log}, config)
        assert [plain.dumps_typed(item) for item in values(saver, config)["log"]] == [*map(plain.dumps_typed, log)]


@pytest.mark.parametrize("durability", ["sync", "exit"])  # with async nobody can say what a node finds time to change
def test_what_nodes_change_in_place_is_kept_as_langgraphs_own_saver_keeps_it(durability: Any) -> None:
    edits: list[Callable[[list[Any]], Any]] = [
        lambda log: setattr(log[0], "content", "new"),
        lambda log: log[1].tool_calls[0]["args"]["deep"][0].update(n=2),
        lambda log: log[1].additional_kwargs.update(mark={}),
        lambda log: log[1].additional_kwargs["mark"].update(n=3),
        lambda log: log[2].artifact["rows"][1].append("more"),
        lambda log: setattr(log[2], "status", "error"),
    ]

    def model(state: Chat) -> dict[str, Any]:
        n = len(state["messages"]) - 3
        edits[n](state["messages"])
        return {"messages": [AIMessage(f"step {n}", id=f"step {n}")]}

    kept = []
    for saver in (InMemorySaver(), over(MemoryStore())):
        call = {"name": "look", "args": {"deep": [{"n": 1}]}, "id": "c1"}
        past: list[AnyMessage] = [
            HumanMessage("go", id="1"),
            AIMessage("", tool_calls=[call], id="2"),
            ToolMessage("found", tool_call_id="c1", artifact={"rows": [[1], [2]]}, id="3"),
        ]
        builder = StateGraph(Chat).add_node(model).add_edge(START, "model")
        builder.add_conditional_edges("model", lambda state: "model" if len(state["messages"]) < 9 else END)
        graph = builder.compile(checkpointer=saver)
        graph.invoke({"messages": past}, CONFIG, durability=durability)
        plain = JsonPlusSerializer()
        kept.append(
            [[*map(plain.dumps_typed, point.values.get("messages", []))] for point in graph.get_state_history(CONFIG)]
        )
    assert kept[0] == kept[1]
    assert len(kept[0]) == (1 if durability == "exit" else 8)


class Counting(JsonPlusSerializer):
    """LangGraph's serde, which counts the messages that it makes bytes of."""

    messages = 0

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        self.messages += isinstance(obj, HumanMessage)
        return super().dumps_typed(obj)


@pytest.mark.parametrize("cut", [0, 1])
def test_only_new_messages_are_serialised_also_when_the_oldest_are_dropped(cut: int) -> None:
    saver = over(MemoryStore())
    saver.serde = serde = Counting(allowed_msgpack_modules=None)
    log = [HumanMessage(f"{n}") for n in range(100)]
    config = put(saver, {"log": log})
    for n in range(5):
        log = [*log[cut:], HumanMessage(f"new {n}")]
        config = put(saver, {"log": log}, config)
    assert serde.messages == 105
    assert values(saver, config)["log"] == log


def test_a_state_of_thousands_of_items_is_kept_in_several_scripts(tmp_path: Path) -> None:
    server = asyncio.run(attach(tmp_path))
    with RedisSaver.from_url(server.url) as saver:
        log = [f"{n}" * 40 for n in range(3_000)]
        put(saver, {"log": log})
        saver._of.forget()
        assert values(saver)["log"] == log
        saver.copy_thread("t1", "t2")
        saver.delete_thread("t1")
        saver._of.forget()
        assert values(saver, {"configurable": {"thread_id": "t2"}})["log"] == log
    server.release()


def test_writes_put_twice_count_once_and_special_ones_are_replaced() -> None:
    saver = over(MemoryStore())
    config = put(saver, {"x": 1})
    saver.put_writes(config, [("a", [1, None]), ("b", "x" * 99)], "task", "path 2")
    saver.put_writes(config, [("a", "late"), ("b", "late"), ("c", 3)], "task", "path 2")
    saver.put_writes(config, [("__resume__", "no")], "task", "path 2")
    saver.put_writes(config, [("__resume__", "yes")], "task", "path 2")
    saver.put_writes(config, [("first", 0)], "other", "path 1")
    found = saver.get_tuple(config)
    assert found is not None
    assert found.pending_writes == [
        ("other", "first", 0),
        ("task", "__resume__", "yes"),
        ("task", "a", [1, None]),
        ("task", "b", "x" * 99),
        ("task", "c", 3),
    ]


@dataclass
class Mine:
    text: str


def test_a_type_of_the_users_own_is_made_only_if_it_is_allowed() -> None:
    store = MemoryStore()
    saver = over(store)
    put(saver, {"mine": Mine("a" * 99)})
    assert values(saver)["mine"] == {"text": "a" * 99}
    allowed = saver.with_allowlist([(Mine.__module__, "Mine")])
    assert allowed is not saver
    assert values(allowed)["mine"] == Mine("a" * 99)  # type: ignore[arg-type]  # it is one of ours
    assert values(saver)["mine"] == {"text": "a" * 99}


def test_crafted_bytes_run_nothing(tmp_path: Path) -> None:
    import ormsgpack  # noqa: PLC0415 - comes with LangGraph

    store, mark = MemoryStore(), tmp_path / "ran"
    saver = over(store)
    config = put(saver, {"x": 1})
    call = ormsgpack.packb(("os", "system", f"touch {mark}"))
    crafted = seal(b"\0" + b"\0" + ormsgpack.packb(ormsgpack.Ext(0, call)))
    version = values_of(saver, config)["x"]
    asyncio.run(store.fields.change(THREAD, Change(put={points.value_name("", "x", version): crafted})))
    assert values(saver, config)["x"] == f"touch {mark}"
    assert not mark.exists()


def values_of(saver: RedisSaver, config: Any) -> dict[str, Any]:
    found = saver.get_tuple(config)
    assert found is not None
    return dict(found.checkpoint["channel_versions"])


def test_each_flipped_bit_and_each_missing_field_is_named() -> None:
    store = MemoryStore()
    saver = over(store)
    config = put(saver, {"log": ["a" * 99, "b"], "x": "y" * 99})
    saver.put_writes(config, [("log", ["c" * 99])], "task")
    kept = store.fields._threads[THREAD]
    for name, data in list(kept.items()):
        if name[:1] not in b"gh" and data != b"1":
            for bad in (data[:-1] + bytes((data[-1] ^ 1,)), bytes((data[0] ^ 1,)) + data[1:], b"", None):
                kept[name] = bad if bad is not None else b""
                if bad is None:
                    del kept[name]
                if bad is None and name[:1] in b"pv":
                    continue  # as if it had never been put
                with pytest.raises(DamagedEntry, match="'t1' is damaged, missing or not ours"):
                    saver.get_tuple(config)
            kept[name] = data
    assert values(saver)["x"] == "y" * 99


def test_a_bomb_is_not_inflated_and_a_giant_not_stored() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(65)) + packer.flush()
    with pytest.raises(DamagedEntry):
        unseal(b"\x21" + zlib.crc32(body, 0x21).to_bytes(4, "big") + body, "a bomb")
    with pytest.raises(StoreError, match="above the limit of 67,108,864"):
        seal(bytes(LARGEST + 1))


def test_what_cannot_be_is_said() -> None:
    saver = over(MemoryStore())
    with pytest.raises(ConfigError, match="belongs to a thread"):
        saver.get_tuple({"configurable": {}})
    with pytest.raises(ConfigError, match="no strategy 'some'"):
        saver.prune(["t1"], strategy="some")
    with pytest.raises(ConfigError, match="tenant"):
        RedisSaver.from_url("memory://", tenant="")
    with pytest.raises(ConfigError, match="checkpoint_id"):
        saver.put_writes(CONFIG, [("a", 1)], "task")
    with RedisSaver.from_url("redis://localhost:1") as away, pytest.raises(StoreUnreachable):
        put(away, {"x": 1})


def test_a_serde_of_ones_own_is_used() -> None:
    saver = RedisSaver.from_url("memory://", serde=JsonPlusSerializer(allowed_msgpack_modules=[Mine]))
    put(saver, {"mine": [Mine("x"), None, b"bytes", bytearray(b"array")]})
    assert values(saver)["mine"] == [Mine("x"), None, b"bytes", bytearray(b"array")]
    saver.close()


def test_versions_rise_and_never_meet() -> None:
    saver = RedisSaver.from_url("memory://")
    versions = [saver.get_next_version(None, None)]
    for _ in range(300):
        versions.append(saver.get_next_version(versions[-1], None))
    assert versions == sorted(versions)
    assert saver.get_next_version(versions[5], None) != versions[6]
    assert saver.get_next_version(41, None).startswith("0000002a")


PROGRAM = """
import asyncio, operator, os, signal, sys
from pathlib import Path
from typing import Annotated, TypedDict
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from satchel.memory import RedisSaver
home, durability, kill = Path(sys.argv[2]), sys.argv[3], sys.argv[4] == "kill"

class State(TypedDict):
    done: Annotated[list[str], operator.add]

async def finished():
    found = await saver.aget_tuple(config)
    writes = found.pending_writes if found else []
    return {name for _, channel, value in writes if channel == "done" for name in value}

async def tool(state):
    name = state["name"]
    with (home / name).open("a") as marks:
        marks.write("x")
    if name == "b" and kill:
        async with asyncio.timeout(20):
            while {"a", "c"} != await finished():
                await asyncio.sleep(0.005)
        os.kill(os.getpid(), signal.SIGKILL)
    return {"done": [name]}

graph = StateGraph(State)
graph.add_node("tool", tool)
graph.add_conditional_edges(START, lambda _: [Send("tool", {"name": n}) for n in "abc"], ["tool"])
config = {"configurable": {"thread_id": "t1"}}
saver = RedisSaver.from_url(sys.argv[1])

async def main():
    made = graph.compile(checkpointer=saver)
    out = await made.ainvoke({"done": []} if kill else None, config, durability=durability)
    print(out["done"])
    await saver.aclose()
asyncio.run(main())
"""


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_of_parallel_tools_only_the_killed_one_runs_again(tmp_path: Path, durability: str) -> None:
    server = asyncio.run(attach(tmp_path / "home"))
    command = [sys.executable, "-c", PROGRAM, server.url, str(tmp_path), durability]
    killed = subprocess.run([*command, "kill"], check=False, capture_output=True, env={**os.environ})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = subprocess.run([*command, "resume"], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['a', 'b', 'c']"
    assert {name: (tmp_path / name).read_text() for name in "abc"} == {"a": "x", "b": "xx", "c": "x"}
    server.release()
