"""What listeners hear of a run, and what OpenTelemetry's own SDK gets of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from satchel import Agent, Budget, tool
from satchel.memory.errors import ModelError
from satchel.memory.records import Usage
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.events import About, Committed, Event, Listener, RunEnded
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = "the vault's number is 4711"  # noqa: S105 - what must not be told


@tool(effect="read")
def look(page: int) -> str:
    """Read a page."""
    if page == 3:
        raise ValueError("no such page")
    return f"page {page}: {SECRET} " + "word " * 400


def reader(messages: Sequence[Message], tools: Sequence[Any]) -> Answer:  # noqa: ARG001 - the shape of a policy
    """Three pages, then an answer; its usage is as a provider bills it."""
    used = Usage(fresh=70, cache_read=20, cache_write=10, output=4, reasoning=3)
    seen = sum(message.role == "tool" for message in messages)
    if seen == 3:
        return Answer(SECRET, usage=used)
    return Answer("", (ToolCall(f"c{seen}", "look", {"page": seen + 1}),), usage=used)


class Told:
    """A telemetry whose spans and metrics stay in memory."""

    def __init__(self, *, content: bool = False) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(tracer_provider=tracers, meter_provider=meters, content=content)

    def spans(self) -> list[Any]:
        return list(self._spans.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        data: Any = self._reader.get_metrics_data()
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


async def test_a_run_is_a_span_with_its_model_and_tool_calls_below() -> None:
    told = Told()
    agent = Agent(Scripted(reader), [look], store="memory://", listeners=[told.telemetry.agent("clerk")])
    await agent.arun("read", thread="t1")
    *calls, drive = told.spans()
    assert drive.name == "invoke_agent clerk"
    assert drive.attributes["gen_ai.conversation.id"] == "t1"
    assert drive.attributes["satchel.outcome"] == "done"
    assert [span.name for span in calls] == [*["chat scripted", "execute_tool look"] * 3, "chat scripted"]
    assert {span.parent.span_id for span in calls} == {drive.context.span_id}
    chat = calls[0].attributes
    assert (chat["gen_ai.operation.name"], chat["gen_ai.provider.name"]) == ("chat", "sim")
    assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.output_tokens"]) == (100, 7)
    assert chat["gen_ai.usage.cache_read.input_tokens"] == 20
    assert calls[5].attributes["error.type"] == "tool"
    assert calls[5].status.is_ok is False


async def test_metrics_count_each_call_once() -> None:
    told = Told()
    agent = Agent(Scripted(reader), [look], store="memory://", listeners=[told.telemetry.agent()])
    await agent.arun("read")
    usage = {point.attributes["gen_ai.token.type"]: point for point in told.points("gen_ai.client.token.usage")}
    assert (usage["input"].sum, usage["input"].count) == (400, 4)
    assert usage["output"].sum == 28
    assert sum(point.count for point in told.points("gen_ai.client.operation.duration")) == 4
    assert sum(point.count for point in told.points("gen_ai.execute_tool.duration")) == 3
    assert sum(point.count for point in told.points("gen_ai.invoke_agent.duration")) == 1
    assert sum(point.count for point in told.points("satchel.store.commit.duration")) == 7  # a reply, or a result, each


@pytest.mark.parametrize("content", [False, True])
async def test_what_was_said_is_recorded_only_if_asked_for(content: bool) -> None:  # noqa: FBT001 - a parameter of the test
    told = Told(content=content)
    agent = Agent(Scripted(reader), [look], store="memory://", listeners=[told.telemetry.agent()])
    await agent.arun(SECRET)
    seen = "".join(span.to_json() for span in told.spans())
    assert (SECRET in seen) is content
    assert ("gen_ai.tool.call.arguments" in seen) is content


async def test_a_fold_is_an_event_with_its_tokens_before_and_after() -> None:
    told = Told()
    heard: list[Event | Committed] = []

    def many(messages: Sequence[Message], tools: Sequence[Any]) -> Answer:  # noqa: ARG001 - the shape of a policy
        return Answer("", (ToolCall(f"c{len(heard)}", "look", {"page": 1}),)) if tools else Answer("done")

    agent = Agent(
        Scripted(many), [look], store="memory://", context_limit=3_000, budget=Budget(steps=20),
        listeners=[told.telemetry.agent(), lambda _: heard.append],
    )  # fmt: skip
    await agent.arun("read on")
    folds = [event for span in told.spans() for event in span.events if event.name == "satchel.fold"]
    assert folds
    assert all(f.attributes["satchel.fold.tokens.before"] > f.attributes["satchel.fold.tokens.after"] for f in folds)
    assert told.points("satchel.fold.tokens")[0].value > 0


async def test_a_model_that_fails_leaves_no_span_open() -> None:
    told = Told()

    def refuse(messages: Sequence[Message], tools: Sequence[Any]) -> Answer:  # noqa: ARG001 - the shape of a policy
        raise ModelError("not today")

    await Agent(Scripted(refuse), store="memory://", listeners=[told.telemetry.agent()]).arun("go")
    chat, drive = told.spans()
    assert (chat.name, chat.attributes["error.type"]) == ("chat scripted", "failed")
    assert (drive.attributes["satchel.outcome"], drive.attributes["error.type"]) == ("failed", "failed")


async def test_a_listener_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event | Committed] = []

    def broken(about: About) -> Listener:
        def hear(event: Event | Committed) -> None:
            raise RuntimeError(f"{about.thread} {type(event).__name__}")

        return hear

    def unopened(about: About) -> Listener:
        raise RuntimeError(about.model)

    agent = Agent(Scripted(reader), [look], store="memory://", listeners=[unopened, broken, lambda _: heard.append])
    assert (await agent.arun("read")).outcome == "done"
    assert isinstance(heard[-1], RunEnded)
    assert len([record for record in caplog.records if record.name == "satchel.events"]) == 2, "told once each"
