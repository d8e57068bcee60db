"""OpenTelemetry: spans and metrics of runs, model calls, tool calls, folds, commits and requests, by the GenAI names.

Names are those of OpenTelemetry's GenAI conventions (github.com/open-telemetry/semantic-conventions-genai, read on
2026-11-21); what they have no name for begins with `satchel.`. What was said is recorded only if asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context as contexts
from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from satchel.runtime.context.tokens import compact
from satchel.runtime.events import (
    About,
    CallFailed,
    Committed,
    Event,
    Opening,
    PromptSent,
    ReplyReceived,
    RunEnded,
    ToolFinished,
    ToolStarted,
)

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import TracerProvider

    from satchel.memory.records import Usage

SECONDS = [0.01 * 2**n for n in range(14)]
"""Buckets of durations (the conventions' for `gen_ai.client.operation.duration`)."""

TOKENS = [4.0**n for n in range(14)]
"""Buckets of token counts (the conventions' for `gen_ai.client.token.usage`)."""

COMMITS = [0.0005 * 2**n for n in range(12)]
"""Buckets of the seconds of a commit, which is one round trip to the store."""

PROVIDERS = {
    "azure_openai": "azure.ai.openai", "bedrock": "aws.bedrock", "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai", "mistralai": "mistral_ai", "xai": "x_ai",
}  # fmt: skip
"""From LangChain's names of providers to the conventions', where they differ."""

ERRORS = {"failed", "uncertain", "cancelled", "error"}
"""Ends of runs that are errors; a budget that is used up is an end that was to be expected."""

FLUSH = 3_000
"""Milliseconds that spans, and metrics, have to get away when a service ends."""

Tell = Callable[..., Mapping[str, str]]
"""Takes attributes that are known later; gives the headers that carry the span to whatever it causes."""


class Telemetry:
    """Spans and metrics through these providers, None for the process's own; `content` records what was said, too."""

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        content: bool = False,
    ) -> None:
        self.tracer = trace.get_tracer("satchel", tracer_provider=tracer_provider)
        self.content = content
        self._providers = tracer_provider, meter_provider
        meter = metrics.get_meter("satchel", meter_provider=meter_provider)

        def histogram(name: str, what: str, buckets: list[float] = SECONDS, unit: str = "s") -> Histogram:
            return meter.create_histogram(name, unit, what, explicit_bucket_boundaries_advisory=buckets)

        self.chats = histogram("gen_ai.client.operation.duration", "Model calls.")
        self.agents = histogram("gen_ai.invoke_agent.duration", "Drives of runs.")
        self.tools = histogram("gen_ai.execute_tool.duration", "Tool calls.")
        self.tokens = histogram("gen_ai.client.token.usage", "Tokens of model calls.", TOKENS, "{token}")
        self.commits = histogram("satchel.store.commit.duration", "Commits to logs.", COMMITS)
        self._requests = histogram("http.server.request.duration", "Requests to the service.")
        self._runs = histogram("satchel.run.duration", "Executions of runs by the service.")
        self.folds = meter.create_counter("satchel.fold.tokens", "{token}", "Tokens that folds took out of prompts.")
        self.dollars = meter.create_counter("satchel.cost", "{USD}", "Model calls whose price is known.")

    def agent(self, name: str = "") -> Opening:
        """A listener for `Agent(listeners=...)`; `name` is the agent's."""
        return lambda about: _Drive(self, about, name).hear

    def flush(self) -> None:
        """Send what waits to be sent, within `FLUSH` milliseconds each."""
        for provider in self._providers:
            if send := getattr(provider, "force_flush", None):
                send(FLUSH)

    def request(self, method: str, carried: Mapping[str, str]) -> Any:
        """The span of a request that carries a trace's headers, as a context manager that gives `Tell`."""
        return self._span(method, SpanKind.SERVER, carried, self._requests, **{"http.request.method": method})

    def run(self, carried: Mapping[str, str], thread: str, **about: Any) -> Any:
        """As `request`: the span of an execution of a run, below what carried it."""
        named = {"gen_ai.conversation.id": thread, **{f"satchel.{name}": value for name, value in about.items()}}
        return self._span("satchel.run", SpanKind.CONSUMER, carried, self._runs, **named)

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, carried: Mapping[str, str], timer: Histogram, **first: Any
    ) -> Iterator[Tell]:
        began, seen = time.monotonic(), dict[str, Any]()
        span = self.tracer.start_span(name, propagate.extract(carried), kind, first)

        def tell(attributes: Mapping[str, Any], *, rename: str = "", error: bool = False) -> Mapping[str, str]:
            seen.update(attributes)
            if rename:
                span.update_name(rename)
            if error:
                span.set_status(StatusCode.ERROR)
            headers: dict[str, str] = {}
            propagate.inject(headers, trace.set_span_in_context(span))
            return headers

        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield tell
        finally:
            span.set_attributes(seen)
            span.end()
            timer.record(time.monotonic() - began, seen)


class _Drive:
    """One drive of a run: its span, and below it one for the model call and one for each tool call under way."""

    def __init__(self, of: Telemetry, about: About, name: str) -> None:
        provider, _, model = about.model.rpartition(":")
        self._of, self._spent = of, about.spent
        self._about = {
            "gen_ai.provider.name": PROVIDERS.get(provider, provider or "_OTHER"),
            "gen_ai.request.model": model,
            **({"gen_ai.agent.name": name} if name else {}),
        }
        self._thread = {"gen_ai.conversation.id": about.thread}
        more = {**self._thread, "satchel.tenant": about.tenant, "satchel.mode": about.mode}
        self._drive = self._begin("invoke_agent", name, SpanKind.INTERNAL, more)
        self._calls: dict[str, tuple[Span, float, Any]] = {}

    def hear(self, event: Event | Committed) -> None:
        match event:
            case Committed():
                self._of.commits.record(event.seconds)
            case PromptSent():
                self._chat(event)
            case ReplyReceived():
                said = {"gen_ai.output.messages": _message(event)} if self._of.content else {}
                self._end("chat", {**self._used(event.usage), **said})
            case CallFailed():
                self._end("chat", error="retried")
            case ToolStarted():
                self._tool(event)
            case ToolFinished():
                said = {"gen_ai.tool.call.result": event.text} if self._of.content else {}
                self._end(event.call, said, error="tool" if event.error else "")
            case RunEnded():
                self._ended(event)

    def _begin(self, operation: str, target: str, kind: SpanKind, attributes: Mapping[str, Any]) -> tuple[Span, float]:
        named = {"gen_ai.operation.name": operation, **self._about, **attributes}
        parent = trace.set_span_in_context(self._drive[0]) if operation != "invoke_agent" else None
        span = self._of.tracer.start_span(f"{operation} {target}".strip(), parent, kind, named)
        return span, time.monotonic()

    def _chat(self, event: PromptSent) -> None:
        if event.folded:
            sizes = {
                "satchel.fold.tokens.before": event.tokens + event.saved,
                "satchel.fold.tokens.after": event.tokens,
            }
            self._drive[0].add_event("satchel.fold", sizes)
            self._of.folds.add(max(event.saved, 0), self._about)
        self._current("chat", "chat", self._about["gen_ai.request.model"], {**self._thread, "satchel.step": event.step})

    def _tool(self, event: ToolStarted) -> None:
        said = {"gen_ai.tool.call.arguments": compact(event.args)} if self._of.content else {}
        named = {"gen_ai.tool.name": event.name, "gen_ai.tool.call.id": event.call, "gen_ai.tool.type": "function"}
        self._current(event.call, "execute_tool", event.name, {**named, **said})

    def _current(self, key: str, operation: str, target: str, attributes: Mapping[str, Any]) -> None:
        """Begin a span that is the current one of its task until its end, so that what a call causes hangs below it."""
        kind = SpanKind.CLIENT if operation == "chat" else SpanKind.INTERNAL
        span, began = self._begin(operation, target, kind, attributes)
        self._calls[key] = span, began, contexts.attach(trace.set_span_in_context(span))

    def _end(
        self, key: str, attributes: Mapping[str, Any] | None = None, *, error: str = "", here: bool = True
    ) -> None:
        """End a call's span; `here` is the task that began it."""
        if (found := self._calls.pop(key, None)) is None:
            return
        span, began, token = found
        if here:
            contexts.detach(token)
        operation, timer = ("chat", self._of.chats) if key == "chat" else ("execute_tool", self._of.tools)
        self._close(span, began, timer, operation, attributes or {}, error=error)

    def _close(
        self, span: Span, began: float, timer: Histogram, operation: str, attributes: Mapping[str, Any], *, error: str
    ) -> None:
        failed = {"error.type": error} if error else {}
        if error:
            span.set_status(StatusCode.ERROR)
        span.set_attributes({**attributes, **failed})
        span.end()
        timer.record(time.monotonic() - began, {"gen_ai.operation.name": operation, **self._about, **failed})

    def _used(self, usage: Usage) -> dict[str, Any]:
        """What the run has used since it was last asked, as attributes, and into the metrics; reasoning is output."""
        last, self._spent = self._spent, usage
        given, made = usage.input - last.input, usage.output + usage.reasoning - last.output - last.reasoning
        for kind, count in (("input", given), ("output", made)):
            if count:
                self._of.tokens.record(
                    count, {"gen_ai.operation.name": "chat", "gen_ai.token.type": kind, **self._about}
                )
        if usage.usd is not None and last.usd is not None and usage.usd > last.usd:
            self._of.dollars.add(usage.usd - last.usd, self._about)
        return {
            "gen_ai.usage.input_tokens": given,
            "gen_ai.usage.output_tokens": made,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read - last.cache_read,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write - last.cache_write,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning - last.reasoning,
        }

    def _ended(self, event: RunEnded) -> None:
        result = event.result
        error = result.outcome if result.outcome in ERRORS else ""
        for key in list(self._calls):
            self._end(key, error=error or "lost", here=False)
        self._used(result.usage)
        self._close(*self._drive, self._of.agents, "invoke_agent", {"satchel.outcome": result.outcome}, error=error)


def _message(event: ReplyReceived) -> str:
    """A reply, as the conventions write messages."""
    return compact([{"role": "assistant", "parts": [{"type": "text", "content": event.text}]}])
