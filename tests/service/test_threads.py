"""Streams of whole threads: `threads.join_stream`, and sessions with commands and channels (streaming version 3)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest

from tests.service.served import TURNS

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

    from tests.service.conftest import Server

Way = Literal["sse", "websocket"]
WAYS = pytest.mark.parametrize("way", ["sse", "websocket"])
SAID: Any = {"messages": [{"role": "user", "content": "hi"}]}


async def test_a_thread_is_followed_over_its_runs_and_read_on_after_an_event(client: LangGraphClient) -> None:
    name = (await client.threads.create())["thread_id"]

    async def followed(ends: int, **more: Any) -> list[Any]:
        found: list[Any] = []
        stream: Any = client.threads.join_stream(name, **more)
        async for part in await stream if asyncio.iscoroutine(stream) else stream:
            found.append(part)
            if sum(one.data.get("status") == "run_done" for one in found) == ends:
                break
        return found

    listening = asyncio.create_task(followed(2, last_event_id="0"))
    for word in ("a", "b"):
        run = await client.runs.create(name, "steps", input={"name": word}, stream_mode=["updates"])
        await client.runs.join(name, run["run_id"])
    seen = await listening
    assert [part.event for part in seen] == ["metadata", "updates", "updates", "metadata"] * 2
    assert await followed(1, last_event_id=seen[4].id) == seen[5:]
    lifecycle = await followed(2, last_event_id="0", stream_mode="lifecycle")
    assert lifecycle == [seen[n] for n in (0, 3, 4, 7)]


@WAYS
async def test_a_session_starts_a_run_and_gets_its_values_and_its_output(client: LangGraphClient, way: Way) -> None:
    async with client.threads.stream(assistant_id="steps", transport=way) as session:
        await session.run.start(input={"name": "a"})
        values = [value async for value in session.values]
        output: Any = await session.output
    assert values[-1] == output
    assert output["done"] == ["first a", "second a"]


@WAYS
async def test_a_session_gets_messages_in_pieces_and_finds_subgraphs(client: LangGraphClient, way: Way) -> None:
    async with client.threads.stream(assistant_id="chat", transport=way) as session:
        await session.run.start(input=SAID)
        messages = [message async for message in session.messages]
        assert [str(await message.text) for message in messages] == ["hello there my friend"]
    async with client.threads.stream(assistant_id="outer", transport=way) as session:
        await session.run.start(input=SAID)
        assert [graph.graph_name async for graph in session.subgraphs] == ["inner"]
        output: Any = await session.output
        assert output["messages"][-1]["content"][0]["text"] == "hello there my friend"


async def test_a_session_answers_an_interrupt(client: LangGraphClient) -> None:
    for assistant, given, answer, key, end in (
        ("steps", {"ask": True}, "yes", "answer", "yes"),
        ("thrifty", {"task": "read"}, {"add_budget": {"steps": 60}}, "output", f"read {TURNS - 1} pages"),
    ):
        async with client.threads.stream(assistant_id=assistant) as session:
            await session.run.start(input=given)
            async for _ in session.values:
                pass
            assert session.interrupted
            await session.run.respond(answer)
            output: Any = await session.output
        assert output[key] == end


@WAYS
async def test_a_start_in_a_thread_that_waits_is_its_answer(client: LangGraphClient, way: Way) -> None:
    async with client.threads.stream(assistant_id="steps", transport=way) as session:
        await session.run.start(input={"ask": True})
        async for _ in session.values:
            pass
        assert session.interrupted
        await session.run.start(input="yes")
        output: Any = await session.output
    assert output["answer"] == "yes"


async def test_a_run_that_fails_ends_its_session(client: LangGraphClient) -> None:
    async with client.threads.stream(assistant_id="failing") as session:
        await session.run.start(input=SAID)
        with pytest.raises(Exception, match="wrong on purpose"):
            await session.output


async def test_what_is_no_command_or_channel_is_told(server: Server, client: LangGraphClient) -> None:
    name = (await client.threads.create())["thread_id"]
    async with httpx.AsyncClient(base_url=f"{server.url}/threads/{name}") as http:
        for asked, code in (
            ({"id": 1, "method": "nothing"}, "unknown_command"),
            ({"id": 1, "method": "run.start"}, "invalid_argument"),
            ({"id": 1, "method": "run.start", "params": {"assistant_id": "nobody"}}, "unknown_error"),
            ({"id": 1, "method": "input.respond", "params": {"interrupt_id": "x"}}, "no_such_interrupt"),
            ({"method": "run.start"}, "invalid_argument"),
        ):
            assert (await http.post("/commands", json=asked)).json()["error"] == code
        assert (await http.post("/stream/events", json={"channels": ["nothing"]})).status_code == 400
        assert (await http.post("/stream/events", json={})).status_code == 400


async def events(server: Server, name: str, channels: list[str]) -> list[Any]:
    """The events of a thread up to the end of its run."""
    told: list[Any] = []
    async with (
        httpx.AsyncClient(base_url=server.url) as http,
        http.stream("POST", f"/threads/{name}/stream/events", json={"channels": channels}) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: "))["params"])
            if told and told[-1]["data"].get("event") in {"completed", "failed"}:
                break
    return told


async def started(server: Server, client: LangGraphClient, assistant: str) -> str:
    """A thread with a run that was started by a command."""
    name: str = (await client.threads.create())["thread_id"]
    asked = {"id": 1, "method": "run.start", "params": {"assistant_id": assistant, "input": SAID}}
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.post(f"/threads/{name}/commands", json=asked)).json()["type"] == "success"
    return name


async def test_a_run_of_version_3_tells_what_a_node_streams_at_the_moment_it_does(
    server: Server, client: LangGraphClient
) -> None:
    name = await started(server, client, "scribe")
    told = await events(server, name, ["custom", "messages", "updates", "lifecycle"])
    seen = [one["data"].get("at") or one["data"].get("event") or next(iter(one["data"])) for one in told]
    pieces = ["message-start", "content-block-start", *["content-block-delta"] * 3, "content-block-finish"]
    during = ["the beginning", *pieces, "message-finish", "the end"]
    assert seen == ["running", *during, "dictate", "completed"]
    state: Any = await client.threads.get_state(name)
    assert state["values"]["messages"][-1]["content"] == "one two"


async def test_a_run_of_version_3_tells_of_tools_and_what_they_answer(server: Server, client: LangGraphClient) -> None:
    told = await events(server, await started(server, client, "forecast"), ["tools", "messages", "lifecycle"])
    seen = [(one["data"]["event"], one["namespace"]) for one in told]
    assert seen[:4] == [("running", []), ("tool-started", []), ("tool-finished", []), ("message-start", ["tools:w1"])]
    assert told[3]["data"] | {"id": ""} == {"event": "message-start", "role": "tool", "id": "", "tool_call_id": "w1"}
    assert told[5]["data"]["content"]["text"] == "rain in Ulm"
    assert seen[-1] == ("completed", [])


async def test_a_thread_tells_what_its_nodes_change_and_its_tasks_do(server: Server, client: LangGraphClient) -> None:
    name = (await client.threads.create())["thread_id"]
    modes: Any = ["updates", "tasks", "checkpoints"]
    run = await client.runs.create(name, "steps", input={"name": "a"}, stream_mode=modes, stream_resumable=True)
    await client.runs.join(name, run["run_id"])
    told = await events(server, name, ["updates", "tasks", "checkpoints", "lifecycle"])
    updates = [one for one in told if "node" in one]
    assert [(one["node"], one["data"]["done"]) for one in updates] == [
        ("first", ["first a"]),
        ("second", ["second a"]),
    ]
    tasks = [one["data"] for one in told if "name" in one["data"]]
    assert [(one["name"], "result" in one) for one in tasks] == [
        (name, ended) for name in ("first", "second") for ended in (False, True)
    ]
