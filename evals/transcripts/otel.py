"""OpenTelemetry spans of model calls: OTLP's JSON, or what the console exporter of Python writes.

Messages stand in `gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.system_instructions` and
`gen_ai.tool.definitions`, as attributes of the span or of an event in it, as JSON text or as values; content capture
has to be on. Spans that only wrap calls (`invoke_agent`, `execute_tool`) are left out. `gen_ai.usage.input_tokens`
counts the cached ones, `output_tokens` the reasoning (semantic conventions 1.41, docs/gen-ai/gen-ai-spans.md). Other
conventions have an attribute for each field of a message: `otel_flat.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from satchel.evals.transcripts import otel_flat
from satchel.evals.transcripts.source import Source, shallow
from satchel.evals.transcripts.transcript import (
    Billed,
    Request,
    Transcript,
    arguments,
    bill,
    conversations,
    count,
    renamed,
    usage,
)  # fmt: skip
from satchel.memory.normalise import text as clean
from satchel.runtime.context.message import Message, Role, ToolCall

if TYPE_CHECKING:
    from satchel.memory.records import Json

Attributes = Mapping[str, "Json"]

INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
WRAPPERS = ("invoke_agent", "create_agent", "execute_tool", "invoke_workflow")
ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "model": "assistant",
    "tool": "tool",
}  # fmt: skip


def fits(values: Sequence[Json]) -> bool:
    """Whether these are spans."""
    return any(_spans(value) for value in values)


def _spans(value: Json) -> list[Mapping[str, Json]]:
    """The spans of a value: of an OTLP export, of a list, or one by itself."""
    if isinstance(value, list):
        return [span for v in value for span in _spans(v)]
    if not isinstance(value, dict):
        return []
    groups = [g for r in value.get("resourceSpans") or () for g in r.get("scopeSpans") or ()]
    found = [span for group in groups for span in group.get("spans") or ()]
    one = "attributes" in value and ("context" in value or "spanId" in value or "span_id" in value)
    return [*found, value] if one else found


def read(source: Source) -> Iterator[Transcript]:
    """The conversations whose calls the spans of a file are."""
    groups: dict[str, list[tuple[str, Request]]] = {}
    for found in source.each(lambda value: [_call(span) for span in _spans(value)]):
        for thread, when, request in filter(None, found):
            groups.setdefault(thread, []).append((when, request))
    every = [
        one for calls in groups.values()
        for one in conversations(source.name, (request for _, request in sorted(calls, key=lambda c: c[0])))
    ]  # fmt: skip
    yield from (renamed(one, f"{source.name}#{n}") if len(every) > 1 else one for n, one in enumerate(every, 1))


def _call(span: Mapping[str, Json]) -> tuple[str, str, Request] | None:
    """A model call: its conversation, its time, and its request; None for a span that is none."""
    found = dict(_attributes(span.get("attributes")))
    for event in span.get("events") or ():
        found |= _attributes(event.get("attributes"))
    if found.get("gen_ai.operation.name") in WRAPPERS:
        return None
    request = _request(found) if {INPUT, OUTPUT} <= found.keys() else otel_flat.request(found)
    if request is None:
        return None
    context = span.get("context") or span
    thread = found.get("gen_ai.conversation.id") or context.get("traceId") or context.get("trace_id")
    when = str(span.get("startTimeUnixNano") or span.get("start_time") or "").rjust(32, "0")
    return str(thread), when, request


def _request(found: Attributes) -> Request:
    model = found.get("gen_ai.response.model") or found.get("gen_ai.request.model")
    told = _parsed(found.get("gen_ai.system_instructions")) or []
    system = (Message("system", _words(told)),) if told else ()
    return Request(
        messages=(*system, *(m for raw in _parsed(found[INPUT]) for m in _messages(raw))),
        reply=tuple(m for raw in _parsed(found[OUTPUT])[:1] for m in _messages(raw)),
        tools=_parsed(found.get("gen_ai.tool.definitions")),
        model=model,
        billed=tuple(_billed(found, model)),
    )


def _attributes(raw: Json) -> dict[str, Json]:
    """Attributes as a dictionary, from OTLP's list of typed values or as they are."""
    if isinstance(raw, list):
        return {str(item["key"]): _value(item.get("value") or {}) for item in raw}
    return dict(raw or {})


def _value(typed: Mapping[str, Json]) -> Json:
    """One of OTLP's typed values; whole numbers come as text."""
    if "arrayValue" in typed:
        return [_value(item) for item in typed["arrayValue"].get("values") or ()]
    if "kvlistValue" in typed:
        return _attributes(typed["kvlistValue"].get("values") or [])
    if "intValue" in typed:
        return int(typed["intValue"])
    return next(iter(typed.values()), None)


def _parsed(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    found = json.loads(value)
    if not shallow(found):
        raise ValueError("messages nested too deep")
    return found


def _messages(raw: Mapping[str, Json]) -> Iterator[Message]:
    role = ROLES.get(raw["role"])
    if role is None:
        raise ValueError(f"unknown role {str(raw['role'])[:40]!r}")
    parts = raw.get("parts") or ()
    answers = [part for part in parts if part.get("type") == "tool_call_response"]
    for part in answers:
        given = part.get("response", part.get("result"))
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        yield Message("tool", text, call_id=str(part.get("id")))
    calls = tuple(
        ToolCall(str(part.get("id")), str(part["name"]), arguments(part.get("arguments")))
        for part in parts if part.get("type") == "tool_call"
    )  # fmt: skip
    text = _words([part for part in parts if part.get("type") not in ("tool_call", "tool_call_response")])
    if text or calls or not answers:
        yield Message("user" if role == "tool" else role, text, calls)


def _words(parts: Sequence[Mapping[str, Json]]) -> str:
    shown = (
        str(part.get("content") or "") if part.get("type") == "text"
        else f"[{clean(str(part.get('modality') or part.get('type')))[:40]}]"
        for part in parts if part.get("type") != "reasoning"
    )  # fmt: skip
    return "\n".join(filter(None, shown))


def _billed(found: Attributes, model: Json) -> Iterator[Billed]:
    if "gen_ai.usage.input_tokens" in found:
        yield bill(
            model,
            usage(
                total=count(found, "gen_ai.usage.input_tokens"),
                read=count(found, "gen_ai.usage.cache_read.input_tokens"),
                write=count(found, "gen_ai.usage.cache_creation.input_tokens"),
                output=count(found, "gen_ai.usage.output_tokens"),
                reasoning=count(found, "gen_ai.usage.reasoning.output_tokens"),
            ),
        )
