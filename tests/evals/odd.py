"""Transcripts as harnesses and providers really leave them: images, lists as results, parallel calls, compactions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def _lines(values: list[Any]) -> str:
    return "\n".join(map(json.dumps, values))


def _session() -> Iterator[dict[str, Any]]:
    """A session with a picture, two calls of one reply, a side chain, two compactions and an error of the API."""
    serial = 0

    def entry(kind: str, content: Any, *, parent: int | None = -1, **more: Any) -> dict[str, Any]:
        nonlocal serial
        before = serial if parent == -1 else parent
        serial += 1
        message = {"role": kind, "content": content, **more.pop("message", {})}
        return {"type": kind, "uuid": f"u{serial}", "parentUuid": f"u{before}" if before else None, "sessionId": "s",
                "isSidechain": False, "message": message, **more}  # fmt: skip

    def spent(serial: int) -> dict[str, Any]:
        used = {"input_tokens": 5, "cache_read_input_tokens": 100 * serial, "cache_creation_input_tokens": 50,
                "output_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 50}}  # fmt: skip
        return {"message": {"id": f"m{serial}", "model": "claude-sonnet-4-5", "usage": used}}

    yield {"type": "summary", "summary": "An older talk", "leafUuid": "elsewhere"}
    yield entry("user", [PICTURE, {"type": "text", "text": "What is on the picture, and in both files?"}])
    yield entry("user", "<command-name>/cost</command-name>", isMeta=True)
    yield entry("assistant", [{"type": "thinking", "thinking": "Two reads.", "signature": "c2ln"}], **spent(1))
    yield entry("assistant", [{"type": "text", "text": "I read both."}], **spent(1))
    yield entry("assistant", [{"type": "tool_use", "id": "t1", "name": "Read", "input": {"path": "a"}}], **spent(1))
    yield entry("assistant", [{"type": "tool_use", "id": "t2", "name": "Read", "input": {"path": "b"}}], **spent(1))
    shown = [{"type": "text", "text": "line 1 of a"}, PICTURE, {"type": "text", "text": "line 2 of a"}]
    yield entry("user", [{"type": "tool_result", "tool_use_id": "t2", "content": "no such file", "is_error": True}])
    yield entry("user", [{"type": "tool_result", "tool_use_id": "t1", "content": shown}])
    yield {**entry("user", "Search the tree.", parent=None), "isSidechain": True, "uuid": "side1"}
    yield {**entry("assistant", [{"type": "text", "text": "Nothing there."}], **spent(7)), "isSidechain": True,
           "uuid": "side2", "parentUuid": "side1"}  # fmt: skip
    serial -= 2
    yield entry("assistant", [{"type": "text", "text": "API Error: 529"}], isApiErrorMessage=True)
    for n in (2, 3):
        yield {**entry("system", "", subtype="compact_boundary"), "type": "system", "parentUuid": None,
               "logicalParentUuid": f"u{serial - 1}"}  # fmt: skip
        yield entry("user", f"Summary {n} of the talk so far.", isCompactSummary=True)
        yield entry("assistant", [{"type": "text", "text": f"I go on, {n}."}], **spent(n))
        yield entry("user", [{"type": "text", "text": f"Go on, {n}."}])
    yield entry("assistant", [{"type": "text", "text": "It is a lamp."}], **spent(4))


def _anthropic() -> dict[str, Any]:
    asked = {"type": "text", "text": "Compare.", "cache_control": {"type": "ephemeral"}}
    calls = [{"type": "tool_use", "id": f"t{n}", "name": "read", "input": {"n": n}} for n in range(2)]
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": "t0", "content": [{"type": "text", "text": "zero"}, PICTURE]},
        {"type": "tool_result", "tool_use_id": "t1", "content": [], "is_error": True},
        {"type": "text", "text": "Hurry."},
    ]
    searched = [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "lamp"}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                {"type": "text", "text": "Equal."}]  # fmt: skip
    return {
        "system": [{"type": "text", "text": "Be brief."}], "tools": [{"name": "read", "input_schema": {}}],
        "messages": [
            {"role": "user", "content": [PICTURE, asked]},
            {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}, *calls]},
            {"role": "user", "content": results},
            {"role": "assistant", "content": searched},
        ],
    }  # fmt: skip


def _openai(usage: dict[str, Any]) -> dict[str, Any]:
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": f'{{"n": {n}'}}
             for n in range(2)]  # fmt: skip
    messages = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "See."}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "one"}]},
        {"role": "tool", "tool_call_id": "c0", "content": "zero"},
        {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
        {"role": "function", "name": "look", "content": "seen"},
    ]
    reply = {"role": "assistant", "content": None, "refusal": "I will not."}
    return {"request": {"model": "m", "messages": messages},
            "response": {"model": "m-1", "choices": [{"message": reply}], "usage": usage}}  # fmt: skip


def _langchain() -> list[dict[str, Any]]:
    used = {"input_tokens": 900, "output_tokens": 30, "total_tokens": 930,
            "input_token_details": {"cache_read": 600, "cache_creation": 200},
            "output_token_details": {"reasoning": 20}}  # fmt: skip
    call = {"name": "read", "args": {"n": 1}, "id": "c", "type": "tool_call"}
    broken = {"name": "read", "args": '{"n": ', "id": "d", "error": "no JSON", "type": "invalid_tool_call"}
    content = [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "I look."},
               {"type": "tool_use", "id": "c", "name": "read", "input": {"n": 1}}]  # fmt: skip
    return [
        {"type": "human", "content": [{"type": "image", "base64": "iVBO", "mime_type": "image/png"}, "See."]},
        {"type": "ai", "content": content, "tool_calls": [call], "invalid_tool_calls": [broken],
         "usage_metadata": used, "response_metadata": {"model_name": "gemini-2.5-pro"}},
        {"type": "tool", "content": [{"type": "text", "text": "one"}], "tool_call_id": "c", "status": "success"},
        {"type": "tool", "content": "no JSON", "tool_call_id": "d", "status": "error"},
        {"type": "ai", "content": "One.", "tool_calls": []},
    ]  # fmt: skip


def _typed(value: Any) -> dict[str, Any]:
    """A value as OTLP types it."""
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": _typed(v)} for k, v in value.items()]}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_typed(v) for v in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


ASKED: list[dict[str, Any]] = [
    {"role": "user", "parts": [{"type": "text", "content": "See."}, {"type": "blob", "modality": "image"}]},
    {"role": "assistant", "parts": [
        {"type": "tool_call", "id": f"c{n}", "name": "read", "arguments": {"n": n}} for n in range(2)
    ]},
    {"role": "tool", "parts": [
        {"type": "tool_call_response", "id": "c0", "response": {"rows": [0]}},
        {"type": "tool_call_response", "id": "c1", "response": "one"},
    ]},
]  # fmt: skip


def _otlp() -> dict[str, Any]:
    """Messages as typed values, those of the prompt in an event of the span."""
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 90,
                  "gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.usage.output_tokens": 12,
                  "gen_ai.usage.reasoning.output_tokens": 5}  # fmt: skip
    answer = {"role": "assistant", "parts": [{"type": "text", "content": "A lamp."}]}
    said = {"gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}], "gen_ai.input.messages": ASKED,
            "gen_ai.output.messages": [answer]}  # fmt: skip
    event = {"name": "gen_ai.client.inference.operation.details", "attributes": _typed(said)["kvlistValue"]["values"]}
    span = {"traceId": "a", "spanId": "b", "startTimeUnixNano": "7", "events": [event],
            "attributes": _typed(attributes)["kvlistValue"]["values"]}  # fmt: skip
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A value as attributes with a name for each leaf."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield name, value
        return
    for key, part in parts:
        yield from _flat(f"{name}.{key}", part)


def _openllmetry() -> dict[str, Any]:
    """A span of OpenLLMetry: an attribute for each field of each message."""
    calls = [{"id": f"c{n}", "name": "read", "arguments": f'{{"n": {n}}}'} for n in (0, 1)]
    prompt = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "See."},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c0", "content": "zero"},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
    ]  # fmt: skip
    tools = [{"name": "read", "description": "Reads.", "parameters": '{"type": "object"}'}]
    attributes = dict([
        *_flat("gen_ai.prompt", prompt), *_flat("gen_ai.completion", [{"role": "assistant", "content": "A lamp."}]),
        *_flat("llm.request.functions", tools),
    ]) | {"gen_ai.request.model": "gpt-5", "gen_ai.usage.prompt_tokens": 90, "gen_ai.usage.completion_tokens": 12,
          "gen_ai.usage.cache_read_input_tokens": 60}  # fmt: skip
    return {"name": "openai.chat", "context": {"trace_id": "0xa", "span_id": "0xb"}, "attributes": attributes}


def _openinference() -> dict[str, Any]:
    """A span of OpenInference: the same, under names of its own."""
    calls = [{"tool_call": {"id": f"c{n}", "function": {"name": "read", "arguments": f'{{"n": {n}}}'}}} for n in (0, 1)]
    prompt = [
        {"message": {"role": "system", "content": "Be brief."}},
        {"message": {"role": "user", "contents": [{"message_content": {"type": "text", "text": "See."}}]}},
        {"message": {"role": "assistant", "tool_calls": calls}},
        {"message": {"role": "tool", "tool_call_id": "c0", "content": "zero"}},
        {"message": {"role": "tool", "tool_call_id": "c1", "content": "one"}},
    ]
    attributes = dict([
        *_flat("llm.input_messages", prompt),
        *_flat("llm.output_messages", [{"message": {"role": "assistant", "content": "A lamp."}}]),
        *_flat("llm.tools", [{"tool": {"json_schema": '{"name": "read"}'}}]),
    ]) | {"openinference.span.kind": "LLM", "llm.model_name": "gpt-5", "llm.token_count.prompt": 90,
          "llm.token_count.completion": 12, "llm.token_count.prompt_details.cache_read": 60}  # fmt: skip
    return {"name": "ChatCompletion", "context": {"trace_id": "0xa", "span_id": "0xb"}, "attributes": attributes}


BILLS: dict[str, tuple[dict[str, Any], tuple[int, int, int, int, int]]] = {
    "openai": ({"prompt_tokens": 90, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 60},
                "completion_tokens_details": {"reasoning_tokens": 5}}, (30, 60, 0, 7, 5)),
    "deepseek": ({"prompt_tokens": 90, "completion_tokens": 12, "prompt_cache_hit_tokens": 60,
                  "prompt_cache_miss_tokens": 30}, (30, 60, 0, 12, 0)),
    "moonshot": ({"prompt_tokens": 90, "completion_tokens": 12, "cached_tokens": 60}, (30, 60, 0, 12, 0)),
    "anthropic through a proxy": ({"prompt_tokens": 90, "completion_tokens": 12, "cache_read_input_tokens": 60,
                                   "cache_creation_input_tokens": 20}, (10, 60, 20, 12, 0)),
}  # fmt: skip
"""Usage of a call in the chat format, by who writes it so; and what it is: fresh, read, written, said, thought."""

ODD = {
    "claude-code": _lines(list(_session())),
    "anthropic": json.dumps(_anthropic()),
    "openai": json.dumps(_openai(BILLS["openai"][0])),
    "langchain": json.dumps(_langchain()),
    "otlp": json.dumps(_otlp()),
    "openllmetry": json.dumps(_openllmetry()),
    "openinference": json.dumps(_openinference()),
}


def logged(usage: dict[str, Any]) -> str:
    """A logged call with this usage."""
    return json.dumps(_openai(usage))
