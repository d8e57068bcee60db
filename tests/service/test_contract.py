"""LangGraph's own client against a real server process: threads, runs, streams, assistants, store."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from tests.service.conftest import at_the_gate, open_gate

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

    from tests.service.conftest import Server


async def waited(client: LangGraphClient, thread: str | None, given: Any = None, **more: Any) -> Any:
    """The values at the end of a run of `steps`."""
    return await client.runs.wait(thread, "steps", input=given, **more)


async def thread(client: LangGraphClient, **given: Any) -> str:
    return (await client.threads.create(**given))["thread_id"]


async def test_a_thread_is_made_found_changed_and_removed(client: LangGraphClient) -> None:
    mark = str(uuid.uuid4())
    name = await thread(client, metadata={"mark": mark})
    with pytest.raises(ConflictError):
        await client.threads.create(thread_id=name)
    assert (await client.threads.create(thread_id=name, if_exists="do_nothing"))["thread_id"] == name
    await client.threads.update(name, metadata={"more": 1})
    found = await client.threads.search(metadata={"mark": mark})
    assert [(one["thread_id"], one["metadata"]) for one in found] == [(name, {"mark": mark, "more": 1})]
    assert await client.threads.count(metadata={"mark": mark}) == 1
    await client.threads.delete(name)
    with pytest.raises(NotFoundError):
        await client.threads.get(name)


async def test_what_is_no_uuid_or_no_assistant_is_refused(client: LangGraphClient) -> None:
    name = await thread(client)
    with pytest.raises(UnprocessableEntityError):
        await client.threads.get("abc")
    with pytest.raises(UnprocessableEntityError):
        await client.runs.create(name, "nobody")
    with pytest.raises(NotFoundError):
        await client.runs.create(name, str(uuid.uuid4()))
    with pytest.raises(NotFoundError):
        await client.runs.create(str(uuid.uuid4()), "steps", input={})


async def test_wait_gives_the_values_and_a_failure_is_data(client: LangGraphClient) -> None:
    name = await thread(client)
    assert (await waited(client, name, {"name": "a"}))["done"] == ["first a", "second a"]
    failed = await client.runs.wait(name, "steps", input={"fail": True}, raise_error=False)
    assert failed == {"__error__": {"error": "ValueError", "message": "wrong on purpose"}}
    assert (await client.threads.get(name))["status"] == "error"
    assert [run["status"] for run in await client.runs.list(name)] == ["error", "success"]


async def test_each_mode_streams_its_events(client: LangGraphClient) -> None:
    async def events(graph: str, given: Any, modes: list[Any], **more: Any) -> list[tuple[str, Any]]:
        stream = client.runs.stream(await thread(client), graph, input=given, stream_mode=modes, **more)
        return [(part.event, part.data) async for part in stream]

    found = await events("steps", {"name": "a"}, ["updates", "custom", "values"])
    assert [name for name, _ in found] == ["metadata", "values", "custom", "updates", "values", "updates", "values"]
    said = {"messages": [{"role": "user", "content": "hi"}]}
    pieces = [data[0]["content"] for name, data in await events("chat", said, ["messages-tuple"]) if name == "messages"]
    assert "".join(pieces) == "hello there my friend"
    partial = [data for name, data in await events("chat", said, ["messages"]) if name == "messages/partial"]
    assert partial[-1][0]["content"] == "hello there my friend"
    names = [name for name, _ in await events("outer", said, ["updates"], stream_subgraphs=True)]
    assert any(name.startswith("updates|inner:") for name in names)
    kinds = [data["type"] for name, data in await events("steps", {}, ["debug"]) if name == "debug"]
    assert kinds.count("checkpoint") == 4
    assert {data["event"] for name, data in await events("steps", {}, ["events"]) if name == "events"} >= {
        "on_chain_start",
        "on_chain_end",
    }


async def test_an_interrupt_waits_and_is_resumed(client: LangGraphClient) -> None:
    name = await thread(client)
    asked = await waited(client, name, {"ask": True})
    assert asked["__interrupt__"][0]["value"] == {"question": "sure?"}
    kept = await client.threads.get(name)
    assert kept["status"] == "interrupted"
    assert next(iter(kept["interrupts"].values()))[0]["value"] == {"question": "sure?"}
    assert (await waited(client, name, command={"resume": "yes"}))["answer"] == "yes"
    assert (await client.threads.get(name))["status"] == "idle"


async def test_state_has_a_history_can_be_changed_and_forked(client: LangGraphClient) -> None:
    name = await thread(client)
    await client.runs.wait(name, "steps", input={"name": "a"}, interrupt_before=["second"])
    assert (await client.threads.get_state(name))["next"] == ["second"]
    await client.threads.update_state(name, {"name": "b"})
    await client.runs.wait(name, "steps")
    state: Any = await client.threads.get_state(name)
    assert state["values"]["done"] == ["first a", "second b"]
    history: list[Any] = [*await client.threads.get_history(name, limit=10)]
    old = next(one for one in history if one["next"] == ["second"] and one["values"]["name"] == "a")
    await client.runs.wait(name, "steps", checkpoint_id=old["checkpoint"]["checkpoint_id"])
    state = await client.threads.get_state(name)
    assert state["values"]["done"] == ["first a", "second a"]
    twin: Any = await client.threads.copy(name)  # type: ignore[func-returns-value]  # it gives one, whatever its hint says
    assert (await client.threads.get_state(twin["thread_id"]))["values"] == state["values"]


@pytest.mark.parametrize(("strategy", "first", "done"), [
    ("enqueue", "success", ["first a", "second a", "first b", "second b"]),
    ("interrupt", "interrupted", ["first a", "first b", "second b"]),
    ("rollback", None, ["first b", "second b"]),
])  # fmt: skip
async def test_a_second_run_does_to_the_first_what_its_strategy_says(
    server: Server, client: LangGraphClient, strategy: Any, first: str | None, done: list[str]
) -> None:
    name = await thread(client)
    gate = server.gate(f"gate-{strategy}")
    one = await client.runs.create(name, "steps", input={"name": "a", "gate": gate.name}, stream_mode=["custom"])
    await at_the_gate(client, name, one["run_id"])
    assert (await client.threads.get(name))["status"] == "busy"
    with pytest.raises(ConflictError):
        await client.runs.create(name, "steps", input={}, multitask_strategy="reject")
    two = await client.runs.create(name, "steps", input={"name": "b", "gate": ""}, multitask_strategy=strategy)
    if strategy != "enqueue":
        await client.runs.join(name, one["run_id"])
    await asyncio.to_thread(open_gate, gate)
    values: Any = await client.runs.join(name, two["run_id"])
    assert values["done"] == done
    assert (await client.threads.get(name))["status"] == "idle"
    ended = {run["run_id"]: run["status"] for run in await client.runs.list(name)}
    assert ended.get(one["run_id"]) == first


async def test_a_run_is_cancelled_and_keeps_its_state(server: Server, client: LangGraphClient) -> None:
    name = await thread(client)
    gate = server.gate("gate-cancel")
    run = await client.runs.create(name, "steps", input={"name": "a", "gate": gate.name}, stream_mode=["custom"])
    await at_the_gate(client, name, run["run_id"])
    await client.runs.cancel(name, run["run_id"], wait=True)
    assert (await client.runs.get(name, run["run_id"]))["status"] == "interrupted"
    assert (await client.threads.get_state(name))["next"] == ["second"]
    await asyncio.to_thread(open_gate, gate)
    with pytest.raises(NotFoundError):
        await client.runs.cancel(name, run["run_id"])


async def test_a_run_without_a_thread_leaves_nothing(client: LangGraphClient) -> None:
    before = await client.threads.count()
    assert (await waited(client, None, {"name": "a"}))["done"] == ["first a", "second a"]
    parts = [part.event async for part in client.runs.stream(None, "steps", input={"name": "a"}, stream_mode="updates")]
    assert parts == ["metadata", "updates", "updates"]
    assert await client.threads.count() == before


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(client: LangGraphClient) -> None:
    name = await thread(client)
    stream = client.runs.stream(name, "steps", input={"name": "a"}, stream_mode="updates", stream_resumable=True)
    whole = [part async for part in stream]
    run = (await client.runs.list(name))[0]["run_id"]
    for n, part in enumerate(whole):
        rest = [one async for one in client.runs.join_stream(name, run, last_event_id=part.id)]
        assert rest == whole[n + 1 :]
    assert [one async for one in client.runs.join_stream(name, run, last_event_id="-1")] == whole


async def test_assistants_are_versioned_and_graphs_have_their_own(client: LangGraphClient) -> None:
    own: Any = (await client.assistants.search(graph_id="steps"))[0]
    assert own["assistant_id"] == str(uuid.uuid5(uuid.UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8"), "steps"))
    made = await client.assistants.create("steps", name="mine", metadata={"k": 1})
    changed = await client.assistants.update(made["assistant_id"], name="yours")
    assert (changed["version"], changed["name"]) == (2, "yours")
    assert (await client.assistants.set_latest(made["assistant_id"], 1))["name"] == "mine"
    assert len(await client.assistants.get_versions(made["assistant_id"])) == 2
    assert {node["id"] for node in (await client.assistants.get_graph("steps"))["nodes"]} >= {"first", "second"}
    schemas: Any = await client.assistants.get_schemas(own["assistant_id"])
    assert "done" in schemas["state_schema"]["properties"]
    assert set(await client.assistants.get_subgraphs("outer")) == {"inner"}
    await client.assistants.delete(made["assistant_id"])
    with pytest.raises(NotFoundError):
        await client.assistants.get(made["assistant_id"])


async def test_the_store_keeps_items(client: LangGraphClient) -> None:
    await client.store.put_item(["users", "ann"], "tea", {"likes": "green"})
    assert (await client.store.get_item(["users", "ann"], "tea"))["value"] == {"likes": "green"}
    assert await client.store.get_item(["users", "ann"], "coffee") is None
    assert len((await client.store.search_items(["users"]))["items"]) == 1
    assert (await client.store.list_namespaces(prefix=["users"]))["namespaces"] == [["users", "ann"]]
    await client.store.delete_item(["users", "ann"], "tea")
    assert (await client.store.search_items(["users"]))["items"] == []


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
async def test_a_run_that_waits_for_its_time_is_stopped_by_the_next_one(client: LangGraphClient, strategy: Any) -> None:
    name = await thread(client)
    late = await client.runs.create(name, "steps", input={"name": "late"}, after_seconds=60)
    assert (await waited(client, name, {"name": "b"}, multitask_strategy=strategy))["done"] == ["first b", "second b"]
    kept = {run["run_id"]: run["status"] for run in await client.runs.list(name)}
    assert kept.get(late["run_id"]) == ("interrupted" if strategy == "interrupt" else None)


@pytest.mark.parametrize("how", ["stream", "wait", "join", "join_stream"])
async def test_a_run_ends_with_its_reader_if_that_was_asked(server: Server, client: LangGraphClient, how: str) -> None:
    name = await thread(client)
    gate = server.gate(f"gate-left-{how}")
    given: Any = {"input": {"name": "a", "gate": gate.name}}
    async with httpx.AsyncClient(base_url=server.url) as raw:
        if how.startswith("join"):
            run = (await client.runs.create(name, "steps", **given))["run_id"]
            path = f"/threads/{name}/runs/{run}/{how.removeprefix('join_')}?cancel_on_disconnect=true"
            reading = raw.stream("GET", path)
        else:
            body = {**given, "assistant_id": "steps", "on_disconnect": "cancel"}
            reading = raw.stream("POST", f"/threads/{name}/runs/{how}", json=body)
        async with reading:  # the answer has begun, so the server knows its reader
            opened = await asyncio.to_thread(gate.open, "w")  # the run is at its gate
        with opened:
            found = (await client.runs.list(name))[0]["run_id"]
            await client.runs.join(name, found)
    assert (await client.runs.get(name, found))["status"] == "interrupted"


async def test_what_the_reference_server_answers_at_the_edges(client: LangGraphClient) -> None:
    """Found by driving both with the same requests."""
    name = await thread(client)
    asked = await waited(client, name, {"ask": True})
    run = (await client.runs.list(name))[0]
    assert (await client.runs.join(name, run["run_id"]))["__interrupt__"] == [
        {key: one[key] for key in ("id", "value")} for one in asked["__interrupt__"]
    ]
    missing = [part async for part in client.runs.join_stream(name, str(uuid.uuid4()))]
    assert [(part.event, part.data["message"]) for part in missing] == [("error", "404: Run not found")]
    given: Any = await client.runs.create(name, "steps", input={}, config={"configurable": {"k": 1}})
    ids = {key: given[key] for key in ("run_id", "thread_id", "assistant_id")}
    assert given["kwargs"]["config"]["configurable"] == {"k": 1, "graph_id": "steps", **ids}
    await client.runs.join(name, given["run_id"])
    with pytest.raises(UnprocessableEntityError):
        await client.runs.create(name, "steps", checkpoint_id="first")
    await client.runs.delete(name, given["run_id"])
    await client.runs.delete(name, run["run_id"])
    assert (await client.threads.get_state(name))["values"] == {}
    said: Any = {"messages": [{"role": "user", "content": "hi"}]}
    stream = client.runs.stream(None, "outer", input=said, stream_mode="messages-tuple", stream_subgraphs=True)
    assert {part.event.partition(":")[0] async for part in stream} == {"metadata", "messages|inner"}
