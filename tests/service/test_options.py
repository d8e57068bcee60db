"""Options of LangGraph's client that change what is answered: which parts, for how long, and what a graph is told."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from langgraph_sdk.errors import BadRequestError, NotFoundError, UnprocessableEntityError

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

    from tests.service.conftest import Server


async def thread(client: LangGraphClient, **given: Any) -> str:
    return (await client.threads.create(**given))["thread_id"]


async def states(client: LangGraphClient, name: str) -> list[Any]:
    return [*await client.threads.get_history(name)]


async def test_a_search_picks_parts_out_of_threads(client: LangGraphClient) -> None:
    mark = {"mark": str(uuid.uuid4())}
    name = await thread(client, metadata={**mark, "list": [{"q": 1}, {"q": 2}]})
    await client.runs.wait(name, "steps", input={"name": "a"})
    paths = {"last": "values.done[-1]", "q": "metadata.list[1].q", "none": "values.done[9]", "who": "values.name.x"}
    found: list[Any] = await client.threads.search(metadata=mark, select=["thread_id"], extract=paths)
    assert found == [{"thread_id": name, "extracted": {"last": "second a", "q": 2, "none": None, "who": None}}]
    wrong = (("a b", "values"), ("thread_id", "values"), ("a", "doc.x"), ("a", "values..x"), ("a", "values["))
    for alias, path in wrong:
        with pytest.raises(UnprocessableEntityError, match="extract"):
            await client.threads.search(extract={alias: path})
    unknown: Any = ["nothing"]
    with pytest.raises(UnprocessableEntityError):
        await client.threads.search(select=unknown)
    with pytest.raises(UnprocessableEntityError):
        await client.assistants.search(select=unknown)
    runs: list[Any] = await client.runs.list(name, select=["status"])
    assert runs == [{"status": "success"}]


async def test_a_thread_goes_when_its_time_is_over(server: Server, client: LangGraphClient) -> None:
    mark = {"mark": str(uuid.uuid4())}
    name = await thread(client, metadata=mark, ttl=60)
    kept: Any = await client.threads.get(name, include=["ttl"])
    assert (kept["ttl"]["strategy"], kept["ttl"]["ttl_minutes"]) == ("delete", 60)
    assert kept["ttl"]["expires_at"] > kept["updated_at"]
    assert "ttl" not in await client.threads.get(name)
    await client.threads.update(name, metadata={}, ttl={"ttl": 1e-7}, return_minimal=True)
    assert await client.threads.search(metadata=mark) == []
    with pytest.raises(NotFoundError):
        await client.threads.get(name)
    pruned: Any = {"ttl": 1e-7, "strategy": "keep_latest"}
    other = await thread(client)
    await client.runs.wait(other, "steps", input={"name": "a"})
    assert len(await states(client, other)) == 4
    await client.threads.update(other, metadata={}, ttl=pruned)
    assert len(await states(client, other)) == 1
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.post("/threads", json={"ttl": {"ttl": -1}})).status_code == 422


async def test_a_graph_is_told_its_context_by_either_name(client: LangGraphClient) -> None:
    async def told(assistant: str, **more: Any) -> Any:
        values: Any = await client.runs.wait(None, assistant, input={}, **more)
        return values["answer"]

    assert await told("told") == "nobody"
    assert await told("told", context={"who": "ann", "unknown": 1}) == "ann"
    assert await told("told", config={"configurable": {"who": "ben"}}) == "ben"
    made = await client.assistants.create("told", context={"who": "carl"})
    assert made["config"] == {"configurable": {"who": "carl"}}
    assert await told(made["assistant_id"]) == "carl"
    assert await told(made["assistant_id"], context={"who": "dora"}) == "dora"
    changed = await client.assistants.update(made["assistant_id"], config={"configurable": {"who": "eva"}})
    assert changed["context"] == {"who": "eva"}
    both: Any = {"config": {"configurable": {"who": "x"}}, "context": {"who": "y"}}
    with pytest.raises(BadRequestError, match="both"):
        await client.assistants.create("told", **both)
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        await told("told", **both)


async def test_an_assistant_goes_with_its_threads_if_asked(client: LangGraphClient) -> None:
    made = await client.assistants.create("steps")
    names = [await thread(client), await thread(client)]
    for name, assistant in zip(names, (made["assistant_id"], "steps"), strict=True):
        await client.runs.wait(name, assistant, input={"name": "a"})
    await client.assistants.delete(made["assistant_id"], delete_threads=True)
    with pytest.raises(NotFoundError):
        await client.threads.get(names[0])
    assert (await client.threads.get(names[1]))["status"] == "idle"


async def test_what_the_store_cannot_do_is_said_or_left_out(server: Server, client: LangGraphClient) -> None:
    space = str(uuid.uuid4())
    await client.store.put_item([space], "k", {"x": 1}, index=False, ttl=5)
    found: Any = await client.store.search_items([space], query="no index ranks this", filter={"x": {"$gte": 1}})
    assert [(item["key"], item["score"]) for item in found["items"]] == [("k", None)]
    with pytest.raises(BadRequestError):
        await client.store.search_items([space], filter={"x": {"$in": [1]}})
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.put("/store/items", json={"namespace": ["langgraph"], "key": "k", "value": {}})
        assert answer.status_code == 400


async def test_messages_of_a_subgraph_name_their_place(client: LangGraphClient) -> None:
    said: Any = {"messages": [{"role": "user", "content": "hi"}]}
    for inside, begins in ((True, "messages|inner:"), (False, "messages")):
        stream = client.runs.stream(None, "outer", input=said, stream_mode="messages-tuple", stream_subgraphs=inside)
        names = {part.event async for part in stream} - {"metadata"}
        assert names
        assert all(name.startswith(begins) and ("|" in name) == inside for name in names)


async def test_the_events_of_a_run_that_never_was_are_one_error(client: LangGraphClient) -> None:
    name = await thread(client)
    found = [part async for part in client.runs.join_stream(name, str(uuid.uuid4()))]
    assert [(part.event, part.data["message"]) for part in found] == [("error", "404: Run not found")]
