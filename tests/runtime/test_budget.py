"""Budgets: none is exceeded, whatever is asked, across crashes, resumes and parallel calls; and every run lands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from satchel.memory.errors import BudgetExceeded, ConfigError
from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Call, Json, Reply, Result, Usage
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget, Spent, left
from satchel.runtime.context.message import Message
from satchel.runtime.events import RunResult
from satchel.runtime.models import Answer, Policy, Scripted, script
from satchel.runtime.tools import tool
from tests.runtime.desk import MODES, call, records, tireless, weigh

Measure = Callable[[RunResult], float]

TABLE: dict[str, tuple[Budget, Measure, float]] = {
    "steps": (Budget(steps=6), lambda r: r.state.steps, 6),
    "model_calls": (Budget(model_calls=6), lambda r: r.usage.model_calls, 6),
    "tool_calls": (Budget(tool_calls=5), lambda r: r.usage.tool_calls, 5),
    "input_tokens": (Budget(input_tokens=9_000), lambda r: r.usage.input, 9_000),
    "output_tokens": (Budget(output_tokens=700), lambda r: r.usage.output, 700),
    "tokens": (Budget(total_tokens=9_000), lambda r: r.usage.total, 9_000),
    "usd": (Budget(usd=0.02), lambda r: r.usage.usd or 0.0, 0.02),
}
"""By outcome: a budget, what it limits, and how much of that there may be."""


def agent(policy: Policy, budget: Budget, store: MemoryStore | None = None, **options: Any) -> Agent:
    """Its model has a price."""
    return Agent(
        Scripted(policy, name="gpt-5", window=50_000), [weigh], budget=budget, context_limit=3_000, reply_tokens=100,
        store=store or MemoryStore(), **options,
    )  # fmt: skip


def counts(result: RunResult) -> tuple[int, ...]:
    """What was used, apart from what a cache made cheaper."""
    used = result.usage
    return used.input, used.output, used.model_calls, used.tool_calls, result.state.steps


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("calls", [1, 3], ids=["one call a turn", "three parallel calls"])
@pytest.mark.parametrize("outcome", TABLE)
async def test_a_budget_holds_and_the_last_answer_is_made_without_tools(outcome: str, calls: int, mode: str) -> None:
    budget, measure, limit = TABLE[outcome]
    store = MemoryStore()
    result = await agent(tireless(calls=calls), budget, store, mode=mode).arun("Weigh all.", thread="t")
    assert measure(result) <= limit
    assert result.outcome == outcome
    assert result.output == "what I know so far"
    replies = [record for record in await records(store, "t") if isinstance(record, Reply)]
    assert [reply.text for reply in replies] == ["on"] * (len(replies) - 1) + ["what I know so far"]
    assert len(replies) > 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outcome", TABLE)
async def test_a_budget_holds_across_crashes_and_the_run_ends_as_it_would_have_without(outcome: str, mode: str) -> None:
    budget, measure, limit = TABLE[outcome]
    whole = await agent(tireless(calls=2), budget, mode=mode, seed=1).arun("Weigh all.", thread="t")
    store, policy = MemoryStore(), tireless(calls=2, crash_at=(1, 3, 4))
    for number in (1, 3, 4):
        with pytest.raises(RuntimeError, match=f"crash {number}"):
            await agent(policy, budget, store, mode=mode, seed=1).arun("Weigh all.", thread="t")
    result = await agent(policy, budget, store, mode=mode, seed=1).aresume("t")
    assert measure(result) <= limit
    assert (result.outcome, result.output) == (whole.outcome, whole.output)
    if outcome != "usd":  # after a crash the prompt is written to the provider's cache anew, which costs
        assert counts(result) == counts(whole)


@pytest.mark.parametrize("outcome", TABLE)
async def test_a_raised_budget_holds_what_was_spent_before_included(outcome: str) -> None:
    budget, measure, limit = TABLE[outcome]
    store = MemoryStore()
    first = await agent(tireless(), budget, store).arun("Weigh all.", thread="t")
    again = await agent(tireless(), budget, store).aresume("t")
    assert (again.outcome, again.usage) == (outcome, first.usage)
    result = await agent(tireless(), budget, store).aresume("t", add_budget=budget)
    assert limit < measure(result) <= 2 * limit
    assert result.outcome == outcome


@pytest.mark.parametrize("mode", MODES)
async def test_a_run_lands_wherever_the_limit_falls_for_the_reserve_covers_a_turn_that_grew(mode: str) -> None:
    @tool(effect="read")
    def measure(crate: str) -> str:
        """Measure a crate."""
        return f"crate {crate}: " + "a long side, " * 140

    policy = script(*(Answer("on", (call("measure", crate=str(n)),)) for n in range(40)))

    def landing(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        return policy(messages, tools) if tools else Answer("landed")

    for limit in range(2_500, 9_000, 130):
        made = agent(landing, Budget(input_tokens=limit), mode=mode).but(tools=[measure])
        result = await made.arun("Measure all.")
        assert (result.outcome, result.output, result.usage.input <= limit) == ("input_tokens", "landed", True), limit


async def test_the_calls_of_one_turn_are_admitted_in_order_and_the_rest_is_refused_with_a_result() -> None:
    store = MemoryStore()
    result = await agent(tireless(calls=6), Budget(tool_calls=4), store).arun("Weigh all.", thread="t")
    assert (result.outcome, result.usage.tool_calls) == ("tool_calls", 4)
    log = await records(store, "t")
    assert [r.refused for r in log if isinstance(r, Call)] == [None] * 4 + ["tool_calls"] * 2
    assert sum("was refused" in r.text for r in log if isinstance(r, Result)) == 2


async def test_a_tool_whose_own_budget_is_spent_is_refused_and_the_run_goes_on() -> None:
    budget = Budget(steps=6, per_tool={"weigh": 3})
    result = await agent(tireless(calls=2), budget).arun("Weigh all.", thread="t")
    assert dict(result.state.per_tool) == {"weigh": 3}
    assert (result.outcome, result.state.steps) == ("steps", 6)


async def test_what_tools_cost_counts_as_dollars() -> None:
    @tool(effect="read", cost_usd=0.3)
    def look_up(crate: str) -> str:
        """Look a crate up in a register that asks for money."""
        return crate

    policy = script(*(Answer("on", (call("look_up", crate=str(n)),)) for n in range(9)), "never said")
    made = Agent(Scripted(policy, name="gpt-5"), [look_up], budget=Budget(usd=1.0), store=MemoryStore())
    result = await made.arun("Look all up.")
    assert (result.outcome, result.usage.tool_calls) == ("usd", 3)
    assert result.usage.usd is not None
    assert 0.9 < result.usage.usd <= 1.0


class Chat(BaseChatModel):
    """A LangChain model that reports its usage and never has enough."""

    model_name: str = "gpt-5"
    seen: list[bool] = []  # noqa: RUF012 - pydantic copies it

    @property
    def _llm_type(self) -> str:
        return "test"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=list(tools), **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: Any = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> ChatResult:
        size = sum(len(str(message.content)) for message in messages) // 3
        calls = [{"id": f"c{len(messages)}", "name": "weigh", "args": {"crate": "x"}}] if "tools" in kwargs else []
        usage = {"input_tokens": size, "output_tokens": 40, "total_tokens": size + 40}
        self.seen.append("tools" in kwargs)
        reply = AIMessage("so far", tool_calls=calls, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=reply)])


@pytest.mark.parametrize("mode", MODES)
async def test_a_dollar_budget_holds_for_a_langchain_model_with_a_price(mode: str) -> None:
    chat = Chat()
    made = Agent(chat, [weigh], budget=Budget(usd=0.01), reply_tokens=200, mode=mode, store=MemoryStore())
    result = await made.arun("Weigh all.")
    assert (result.outcome, result.output) == ("usd", "so far")
    assert result.usage.usd is not None
    assert 0 < result.usage.usd <= 0.01
    assert chat.seen == [True] * (len(chat.seen) - 1) + [False]


def test_a_dollar_budget_without_a_price_is_refused_when_the_agent_is_built() -> None:
    with pytest.raises(ConfigError, match=r"needs a price for 'sim:scripted'.*total_tokens"):
        Agent(Scripted(tireless()), budget=Budget(usd=1.0), store="memory://")


async def test_paused_the_run_stops_before_the_limit_and_goes_on_with_more() -> None:
    store = MemoryStore()
    result = await agent(tireless(), Budget(steps=4), store, on_budget="pause").arun("Weigh all.", thread="t")
    assert (result.outcome, result.output, result.state.steps) == ("paused", None, 3)
    assert "steps" in result.detail
    more = await agent(tireless(), Budget(steps=4), store, on_budget="pause").aresume("t", add_budget=Budget(steps=2))
    assert (more.outcome, more.state.steps) == ("paused", 5)


async def test_raised_the_error_carries_what_was_found() -> None:
    store = MemoryStore()
    with pytest.raises(BudgetExceeded, match="the budget of steps is used up") as caught:
        await agent(tireless(), Budget(steps=4), store, on_budget="raise").arun("Weigh all.", thread="t")
    assert isinstance(caught.value.result, RunResult)
    assert (caught.value.result.outcome, caught.value.result.output) == ("steps", "on")


def test_what_is_left_of_a_limit_is_told_when_a_quarter_of_it_is() -> None:
    def told(steps: int, tools: int, budget: Budget) -> str:
        return left(budget, Spent(usage=Usage(tool_calls=tools), steps=steps))

    both = Budget(steps=40, tool_calls=8)
    assert told(29, 5, both) == ""
    assert told(30, 5, both) == "10 steps"
    assert told(39, 9, both) == "1 steps, 0 tool calls"
    assert told(39, 9, Budget()) == ""
    assert told(0, 0, Budget(tool_calls=0)) == "0 tool calls"


def test_budgets_add_up_and_are_read_from_text() -> None:
    budget = Budget.parse("steps=4, usd=0.5, per_tool.weigh=3")
    assert budget == Budget(steps=4, usd=0.5, per_tool={"weigh": 3})
    assert budget + Budget(steps=2, per_tool={"weigh": 1, "post": 1}) == Budget(
        steps=6, usd=0.5, per_tool={"weigh": 4, "post": 1}
    )
    assert Budget(**budget.record()) == budget


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("step=4", "unknown budget 'step'"),
        ("steps", "not of the form"),
        ("steps=four", "not of the form"),
        ("steps=0", "allows nothing"),
        ("usd=nan", "allows nothing"),
        ("usd=-1", "allows nothing"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Budget.parse(text)
