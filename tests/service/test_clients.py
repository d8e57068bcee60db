"""Other clients: LangGraph's RemoteGraph and OpenAI's own library."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from langgraph.pregel.remote import RemoteGraph
from openai import AsyncOpenAI

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

    from tests.service.conftest import Server


async def test_a_remote_graph_runs_streams_and_reads_its_state(client: LangGraphClient) -> None:
    graph = RemoteGraph("steps", client=client)
    assert (await graph.ainvoke({"name": "a"}))["done"] == ["first a", "second a"]
    name = (await client.threads.create())["thread_id"]
    config: Any = {"configurable": {"thread_id": name}}
    stream = graph.astream({"name": "b"}, config, stream_mode="updates")
    assert [next(iter(part)) async for part in stream] == ["first", "second"]
    state = await graph.aget_state(config)
    assert state.values["done"] == ["first b", "second b"]
    assert "second" in (await graph.aget_graph()).nodes


async def test_the_chat_api_answers_streams_and_keeps_a_thread(server: Server) -> None:
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as openai:
        said = await openai.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hello"}])
        assert said.choices[0].message.content == "hello"
        assert said.usage is not None
        assert said.usage.prompt_tokens > 0
        stream = await openai.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "hi"}], stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
        pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert "".join(pieces) == "hello there my friend"
        assert len([piece for piece in pieces if piece]) > 1
        assert chunks[-1].usage is not None
        thread = {"thread_id": str(uuid.uuid4())}
        cached = []
        for words in ("one", "two"):
            answer = await openai.chat.completions.create(
                model="echo", messages=[{"role": "user", "content": words}], metadata=thread
            )
            assert answer.choices[0].message.content == words
            assert answer.usage is not None
            assert answer.usage.prompt_tokens_details is not None
            cached.append(answer.usage.prompt_tokens_details.cached_tokens)
        assert cached[1]
        assert cached[1] > 0
