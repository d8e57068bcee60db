"""OpenAI's own library as the client: chats, streams, tools, a pause, a caller that leaves, and errors."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, InternalServerError, NotFoundError

from tests.service.conftest import open_gate
from tests.service.served import TURNS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langgraph_sdk.client import LangGraphClient
    from openai.types.chat import ChatCompletionMessageParam

    from tests.service.conftest import Server

SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "read the book"}]
READ = f"read {TURNS - 1} pages"


@pytest.fixture
async def openai(server: Server) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as made:
        yield made


def thread() -> dict[str, str]:
    return {"thread_id": str(uuid.uuid4())}


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


async def test_a_chat_streams_thirty_turns_with_tools_and_says_what_they_used(openai: AsyncOpenAI) -> None:
    stream = await openai.chat.completions.create(
        model="book", messages=SAID, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == READ
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert 0 < (usage.prompt_tokens_details.cached_tokens or 0) < usage.prompt_tokens


async def test_a_pause_ends_a_chat_and_a_command_goes_on(openai: AsyncOpenAI) -> None:
    kept = thread()
    paused = await openai.chat.completions.create(model="thrifty", messages=SAID, metadata=kept)
    assert paused.choices[0].finish_reason == "length"
    assert (paused.model_extra or {})["interrupts"][0]["value"]["outcome"] == "paused"
    more = {"command": {"resume": {"add_budget": {"steps": 60}}}}
    done = await openai.chat.completions.create(model="thrifty", messages=[], metadata=kept, extra_body=more)
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == (READ, "stop")


async def test_a_chat_that_is_left_is_stopped_unless_it_is_stored(
    server: Server, client: LangGraphClient, openai: AsyncOpenAI
) -> None:
    for page, store, ends in ((19, False, "interrupted"), (20, True, "success")):
        gate = server.gate(f"page{page}")
        kept = thread()
        stream = await openai.chat.completions.create(
            model="book", messages=SAID, metadata=kept, stream=True, store=store
        )
        first = await anext(aiter(stream))
        run = first.id.removeprefix("chatcmpl-")
        async for part in client.runs.join_stream(kept["thread_id"], run, last_event_id="-1"):
            if part.event == "messages" and [call["args"] for call in part.data[0].get("tool_calls", [])] == [
                {"page": page}
            ]:
                break
        await stream.close()
        if not store:
            await client.runs.join(kept["thread_id"], run)
        await asyncio.to_thread(open_gate, gate)
        await client.runs.join(kept["thread_id"], run)
        assert (await client.runs.get(kept["thread_id"], run))["status"] == ends
    again = await openai.chat.completions.retrieve(first.id)
    assert (again.choices[0].message.content, again.model) == (READ, "book")
    with pytest.raises(NotFoundError):
        await openai.chat.completions.retrieve("chatcmpl-nothing")


async def test_a_tool_that_nobody_ran_is_the_callers(openai: AsyncOpenAI) -> None:
    function: Any = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    asked: Any = {"model": "asker", "tools": [{"type": "function", "function": function}]}
    said: list[ChatCompletionMessageParam] = [{"role": "user", "content": "how is it in Ulm?"}]
    whole = await openai.chat.completions.create(messages=said, **asked)
    calls = whole.choices[0].message.tool_calls
    assert calls is not None
    assert whole.choices[0].finish_reason == "tool_calls"
    assert [(call.function.name, call.function.arguments) for call in calls] == [("weather", '{"city": "Ulm"}')]
    async with openai.chat.completions.stream(messages=said, **asked) as stream:
        end = await stream.get_final_completion()
    assert end.choices[0].message.tool_calls is not None
    assert end.choices[0].message.tool_calls[0].id == calls[0].id
    result: ChatCompletionMessageParam = {"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"}
    answer: Any = whole.choices[0].message.model_dump(exclude_none=True)
    told = await openai.chat.completions.create(messages=[*said, answer, result], **asked)
    assert (told.choices[0].message.content, told.choices[0].finish_reason) == ("it is sunny", "stop")


async def test_models_are_what_is_served_and_errors_are_openais(server: Server, openai: AsyncOpenAI) -> None:
    assert "book" in [model.id async for model in openai.models.list()]
    assert (await openai.models.retrieve("book")).owned_by == "satchel"
    with pytest.raises(NotFoundError) as unknown:
        await openai.chat.completions.create(model="nobody", messages=SAID)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(BadRequestError) as empty:
        await openai.chat.completions.create(model="book", messages=[])
    assert (empty.value.type, empty.value.param) == ("invalid_request_error", "messages")
    wrong: Any = 7
    with pytest.raises(BadRequestError) as typed:
        await openai.chat.completions.create(model="book", messages=wrong)
    assert typed.value.param == "messages"
    before = server.effects().count("failed")
    with pytest.raises(InternalServerError, match="wrong on purpose") as failed:
        await openai.chat.completions.create(model="failing", messages=SAID)
    assert (failed.value.type, failed.value.code) == ("server_error", "ValueError")
    assert server.effects().count("failed") == before + 1, "a failed run was started again"
    stream = await openai.chat.completions.create(model="failing", messages=SAID, stream=True)
    with pytest.raises(APIError, match="wrong on purpose"):
        [_ async for _ in stream]
