"""Sixty turns with large results on graphs of LangChain and deepagents: every prompt small and legal, nothing lost."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from satchel.runtime.middleware import SatchelMiddleware
from tests.middleware.walker import HOUSE, LIMIT, REPLY, agent, ended, is_legal, plain, task, thread, walker
from tests.providers import errand


@pytest.fixture(scope="module")
def run() -> tuple[Any, Any, list[list[Any]]]:
    """The model, the result, and the graph's messages after each step of one run."""
    chat = walker()
    graph = agent(chat)
    seen = [list(state["messages"]) for state in graph.stream(task(), thread(), stream_mode="values")]
    return chat, {"messages": seen[-1]}, seen


def test_every_prompt_is_legal_and_under_the_ceiling_and_the_answer_is_right(run: Any) -> None:
    chat, result, _ = run
    assert result["messages"][-1].content == errand.answer()
    assert ended(result)["outcome"] == "done"
    assert len(chat.tape.calls) > 60
    assert max(sent.size for sent in chat.tape.calls) <= LIMIT - REPLY
    assert all(map(is_legal, chat.tape.calls))


def test_the_stored_history_is_whole_and_never_changes(run: Any) -> None:
    _, result, seen = run
    final = result["messages"]
    for earlier in seen:
        assert final[: len(earlier)] == earlier
    results = [m.content for m in final if m.type == "tool" and m.name == "walk"]
    assert len(results) == errand.ROOMS
    assert not any("not shown" in text for text in results)
    assert sum(map(len, results)) > 4 * LIMIT * 4  # characters: many times what a prompt may have


def test_between_folds_each_prompt_begins_with_the_one_before(run: Any) -> None:
    chat, _, _ = run
    cached = sum(sent.cached for sent in chat.tape.calls)
    assert cached > 0.75 * sum(sent.size for sent in chat.tape.calls)


def test_until_something_is_shortened_the_prompt_is_that_of_the_bare_agent() -> None:
    bare, own = walker(), walker()
    create_agent(bare, HOUSE, system_prompt=errand.INSTRUCTIONS).invoke(task())
    agent(own, context_limit=120_000, mode="stateless").invoke(task(), thread())
    assert [plain(sent) for sent in own.tape.calls] == [plain(sent) for sent in bare.tape.calls]
    assert {tuple(t["function"]["name"] for t in sent.tools) for sent in own.tape.calls} == {("gate", "walk", "peek")}


def test_a_new_process_at_every_step_sends_the_identical_prompts() -> None:
    whole = walker(rooms=32)
    agent(whole).invoke(task(), thread())
    saver, chat = InMemorySaver(), walker(rooms=32)

    def fresh() -> Any:
        own = SatchelMiddleware(context_limit=LIMIT, reply_tokens=REPLY)
        return create_agent(
            chat, HOUSE, system_prompt=errand.INSTRUCTIONS, middleware=[own], checkpointer=saver,
            interrupt_before=["tools"],
        )  # fmt: skip

    graph = fresh()
    result = graph.invoke(task(), thread())
    while graph.get_state(thread()).next:
        graph = fresh()
        result = graph.invoke(None, thread())
    assert result["messages"][-1].content == errand.answer(32)
    assert [plain(sent) for sent in chat.tape.calls] == [plain(sent) for sent in whole.tape.calls]
    assert ended(result)["usage"]["model_calls"] == len(whole.tape.calls)


async def test_threads_side_by_side_do_not_meet() -> None:
    chat = walker(rooms=14)
    graph = agent(chat)
    results = await asyncio.gather(*(graph.ainvoke(task(), thread(f"a{n}")) for n in range(2)))
    with ThreadPoolExecutor(2) as pool:
        results += pool.map(lambda n: graph.invoke(task(name=f"m-{n}"), thread(f"s{n}")), range(2))
    assert [result["messages"][-1].content for result in results] == [errand.answer(14)] * 4
    assert len(chat.tape.calls) == 4 * 15


def test_a_deep_agent_keeps_the_ceiling_with_the_engine_in_place_of_its_summariser() -> None:
    chat = walker()
    own = SatchelMiddleware(context_limit="+5000", reply_tokens=REPLY, name="SummarizationMiddleware")
    graph = create_deep_agent(chat, HOUSE, system_prompt=errand.INSTRUCTIONS, middleware=[own])
    result = graph.invoke(task())
    assert result["messages"][-1].content == errand.answer()
    assert "satchel" not in result
    surface = chat.tape.calls[0].size
    assert max(sent.size for sent in chat.tape.calls) < surface + 5_000
    assert all(map(is_legal, chat.tape.calls))
    assert len([m for m in result["messages"] if m.type == "tool" and m.name == "walk"]) == errand.ROOMS
