"""Budgets, recall, edits, interrupts and streams: the middleware among the other parts of a graph."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, ModelRetryMiddleware
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langgraph.types import Command
from pydantic import BaseModel

from satchel.evals.chat import ModelChat
from satchel.memory.errors import BudgetExceeded, ConfigError, PromptTooLarge
from satchel.memory.handles import HANDLE
from satchel.memory.records import Json
from satchel.runtime.budget import Budget
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.middleware import SatchelMiddleware
from satchel.runtime.models import Answer, script
from tests.middleware.walker import HOUSE, LIMIT, agent, ended, is_legal, plain, task, thread, walker
from tests.providers import errand


def call(name: str, **args: Any) -> Answer:
    return Answer(calls=(ToolCall("", name, args),))


def played(*answers: Answer | str) -> ModelChat:
    return ModelChat.of(script(*answers))


# ---------------------------------------------------------------------- budgets


@pytest.mark.parametrize(
    ("budget", "outcome"),
    [
        (Budget(steps=9), "steps"),
        (Budget(model_calls=9), "model_calls"),
        (Budget(tool_calls=9), "tool_calls"),
        (Budget(input_tokens=30_000), "input_tokens"),
        (Budget(total_tokens=30_000), "tokens"),
    ],
)
def test_a_budget_ends_in_an_answer_without_tools_and_is_never_exceeded(budget: Budget, outcome: str) -> None:
    chat = walker()
    result = agent(chat, budget=budget).invoke(task(), thread())
    stamp = ended(result)
    assert stamp["outcome"] == outcome
    assert result["messages"][-1].content.startswith("So far I carry")
    assert chat.tape.calls[-1].tools == ()
    assert len(chat.tape.calls) <= min(budget.steps or 99, budget.model_calls or 99)
    assert stamp["usage"]["tool_calls"] <= (budget.tool_calls or 99)
    assert sum(sent.size for sent in chat.tape.calls) <= (budget.input_tokens or budget.total_tokens or 10**9)


def test_a_call_over_the_budget_of_its_tool_is_refused_and_the_run_goes_on() -> None:
    result = agent(walker(20), budget=Budget(per_tool={"peek": 2})).invoke(task(), thread())
    refused = [m for m in result["messages"] if m.type == "tool" and m.status == "error"]
    assert ended(result)["outcome"] == "done"
    assert len(refused) == 8
    assert all("per_tool.peek" in m.content for m in refused)


def test_each_run_of_a_thread_has_the_whole_budget() -> None:
    graph = agent(walker(), budget=Budget(steps=5))
    first = ended(graph.invoke(task(), thread()))
    second = ended(graph.invoke(task("Go on.", "m-1"), thread()))
    assert first["outcome"] == second["outcome"] == "steps"
    assert second["usage"]["model_calls"] == 5


def test_a_budget_that_cannot_pay_a_first_call_ends_the_run_without_one() -> None:
    chat = walker()
    stamp = ended(agent(chat, budget=Budget(total_tokens=50)).invoke(task(), thread()))
    assert stamp["outcome"] == "tokens"
    assert chat.tape.calls == []


def test_a_budget_raises_if_asked_to() -> None:
    with pytest.raises(BudgetExceeded, match="the budget of steps is used up"):
        agent(walker(), budget=Budget(steps=3), on_budget="raise").invoke(task(), thread())


def test_retries_of_a_middleware_outside_are_counted() -> None:
    chat = walker(20)
    chat.tape.failing = 2
    retry: Any = ModelRetryMiddleware(max_retries=3, initial_delay=0.0, jitter=False)
    stamp = ended(agent(chat, retry, budget=Budget(model_calls=40)).invoke(task(), thread()))
    assert stamp["usage"]["model_calls"] == len(chat.tape.calls) + 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": Budget(seconds=3)}, {"on_budget": "pause"}, {"mode": "statefull"}, {"context_limit": "many"},
        {"reply_tokens": 0},
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_when_the_middleware_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SatchelMiddleware(**{"context_limit": LIMIT, **wrong})


@pytest.mark.parametrize(
    ("options", "error"),
    [({"budget": Budget(usd=1.0)}, ConfigError), ({"context_limit": 1_500}, PromptTooLarge)],
)
def test_what_cannot_be_kept_is_refused_before_the_first_call(options: dict[str, Any], error: type[Exception]) -> None:
    chat = walker()
    with pytest.raises(error):
        agent(chat, **options).invoke(task(), thread())
    assert chat.tape.calls == []


# ---------------------------------------------------------------------- the vault


def seeker(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """Walks into the largest room, then asks for two lines that the preview left out."""
    names = [tool["function"]["name"] for tool in tools]
    text = "\n".join(message.content for message in messages)
    if any(message.name == "recall" for message in messages):
        return Answer(f"found: {messages[-1].content}")
    if "not shown; whole text" in text:
        assert "recall" in names
        handle = HANDLE.findall(text.partition("whole text")[2])[0]
        return call("recall", ref=handle, lines="200-201")
    return call("walk", room=30, carried=0)


def test_recall_reads_a_previewed_result_in_the_graphs_own_state() -> None:
    result = agent(ModelChat.of(seeker)).invoke(task(), thread())
    whole = next(m.content for m in result["messages"] if m.type == "tool" and m.name == "walk")
    assert result["messages"][-1].content == "found: " + "\n".join(whole.splitlines()[199:201])


def test_another_process_resolves_the_handle_that_a_prompt_showed() -> None:
    first = agent(ModelChat.of(seeker))
    saver = first.checkpointer
    config = thread()
    graph = create_agent(
        ModelChat.of(seeker), HOUSE, system_prompt=errand.INSTRUCTIONS, checkpointer=saver,
        middleware=[SatchelMiddleware(context_limit=LIMIT)], interrupt_before=["tools"],
    )  # fmt: skip
    graph.invoke(task(), config)
    graph.invoke(None, config)
    assert graph.get_state(config).values["messages"][-1].tool_calls[0]["name"] == "recall"
    result = first.invoke(None, config)
    assert result["messages"][-1].content.startswith("found: ")
    assert "no text" not in result["messages"][-1].content


def test_a_handle_of_nobody_is_answered_by_a_sentence() -> None:
    result = agent(played(call("recall", ref="res:000000001"), "so be it")).invoke(task(), thread())
    answer = result["messages"][-2]
    assert (answer.status, answer.name) == ("error", "recall")
    assert "names no text" in answer.content


def test_a_tool_of_the_user_may_not_be_named_like_ours() -> None:
    def recall(ref: str) -> str:
        """Mine."""
        return ref

    with pytest.raises(ConfigError, match="rename it"):
        agent(walker(), tools=[recall]).invoke(task(), thread())


# ---------------------------------------------------------------------- among other parts


def test_edited_and_removed_messages_begin_the_engine_anew() -> None:
    chat = walker(24)
    graph = agent(chat, budget=Budget(steps=12))
    messages = graph.invoke(task(), thread())["messages"]
    walked = next(m for m in messages if m.type == "tool" and m.name == "gate")
    gone = next(m for m in messages if m.type == "ai" and len(m.tool_calls) == 1)
    orphan = next(m for m in messages if m.type == "tool" and m.tool_call_id == gone.tool_calls[0]["id"])
    edited = ToolMessage("seal-999999", id=walked.id, tool_call_id=walked.tool_call_id, name="gate")
    graph.update_state(thread(), {"messages": [edited, RemoveMessage(gone.id), RemoveMessage(orphan.id)]})
    graph.invoke(task("Go on.", "m-1"), thread())
    first = chat.tape.calls[12]
    fresh = walker(24)
    agent(fresh, saver=graph.checkpointer, budget=Budget(steps=12)).invoke(
        None, graph.get_state(thread()).config | {"configurable": _before(graph)}
    )
    assert plain(fresh.tape.calls[0]) == plain(first)
    assert "seal-999999" in str(first.messages)
    assert is_legal(first)


def _before(graph: Any) -> dict[str, Any]:
    """The checkpoint just before the first model call of the second run."""
    states = [s for s in graph.get_state_history(thread()) if s.next == ("model",)]
    found = next(s for s in states if s.values["messages"][-1].id == "m-1")
    configurable: dict[str, Any] = found.config["configurable"]
    return configurable


def test_calls_without_a_result_and_results_without_a_call_are_made_legal() -> None:
    chat = walker(14)
    cut = AIMessage("", tool_calls=[{"id": "c-1", "name": "gate", "args": {}}])
    stray = ToolMessage("lost", tool_call_id="c-9", name="gate")
    history = [HumanMessage("hello"), cut, SystemMessage("Be kind."), stray, HumanMessage(errand.TASK)]
    result = agent(chat).invoke({"messages": history}, thread())
    assert result["messages"][-1].content == errand.answer(14)
    assert all(map(is_legal, chat.tape.calls))
    assert any(m.content == "lost" for m in result["messages"])
    assert [m.type for m in chat.tape.calls[0].messages] == ["system", "system", "human", "ai", "tool", "human"]


def test_a_human_may_approve_edit_and_reject_calls() -> None:
    chat = walker(14)
    gatekeeper: Any = HumanInTheLoopMiddleware(interrupt_on={"gate": True})
    graph = agent(chat, gatekeeper)
    assert "__interrupt__" in graph.invoke(task(), thread())
    result = graph.invoke(Command(resume={"decisions": [{"type": "reject", "message": "no gate today"}]}), thread())
    assert result["messages"][-1].content.endswith("under a seal that I forgot.")
    assert all(map(is_legal, chat.tape.calls))


async def test_streams_carry_the_reply_once() -> None:
    graph = agent(walker(14))
    parts = [part async for part in graph.astream(task(), thread(), stream_mode="messages")]
    assert [m.content for m, _ in parts if m.content == errand.answer(14)] == [errand.answer(14)]


async def test_a_tool_that_is_async_runs_beside_the_others() -> None:
    async def wait(n: int) -> str:
        """Wait."""
        await asyncio.sleep(0)
        return f"waited {n}"

    chat = played(Answer(calls=(ToolCall("", "wait", {"n": 1}), ToolCall("", "wait", {"n": 2}))), "done")
    result = await agent(chat, tools=[wait]).ainvoke(task(), thread())
    assert [m.content for m in result["messages"] if m.type == "tool"] == ["waited 1", "waited 2"]


class Report(BaseModel):
    """What was found."""

    coins: int


def test_a_structured_answer_ends_the_run_as_done() -> None:
    chat = played(call("walk", room=1, carried=0), call("Report", coins=3))
    graph = create_agent(
        chat, HOUSE, response_format=Report, middleware=[SatchelMiddleware(context_limit=LIMIT, budget=Budget(steps=9))]
    )
    result = graph.invoke(task())
    assert result["structured_response"] == Report(coins=3)
    stamp = next(m for m in reversed(result["messages"]) if m.type == "ai").response_metadata["satchel"]
    assert (stamp["outcome"], stamp["usage"]["tool_calls"]) == ("done", 1)


def test_a_subagent_has_a_conversation_and_a_budget_of_its_own() -> None:
    def policy(messages: Sequence[Message], _: Sequence[Json]) -> Answer:
        said = next(m.content for m in messages if m.role == "user")
        answered = [m.content for m in messages if m.role == "tool"]
        if said == "look at the gate":
            return Answer(f"it says {answered[-1]}") if answered else call("gate")
        one = {"description": "look at the gate", "subagent_type": "general-purpose"}
        calls = (ToolCall("", "task", one), ToolCall("", "task", one))
        return Answer("; ".join(answered)) if answered else Answer(calls=calls)

    own = SatchelMiddleware(context_limit="+5000", name="SummarizationMiddleware", budget=Budget(steps=3))
    result = create_deep_agent(ModelChat.of(policy), HOUSE, middleware=[own]).invoke(task("ask around"))
    assert len(re.findall(r"it says .*seal-\d{6}", result["messages"][-1].content.replace("; ", "\n"))) == 2
    assert ended(result)["outcome"] == "done"


def test_the_tail_tells_what_is_left_once_something_was_left_out_and_the_limit_is_near() -> None:
    chat = walker(20)
    agent(chat, budget=Budget(steps=25)).invoke(task(), thread())
    tails = [re.findall(r"now: (\d+) steps\]", str(sent.messages[-1].content)) for sent in chat.tape.calls]
    assert tails[0] == []
    assert tails[-1] == ["5"]
