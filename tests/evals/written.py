"""One invented conversation, written down in every format of transcripts that we read, as its own tools would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

STEPS = 24
MODEL = "claude-sonnet-4-5"
SYSTEM = "You keep the books of a lighthouse supply depot."
TOOLS = [{"name": "open_crate", "description": "Open a crate.", "input_schema": {"type": "object", "properties": {}}}]
TASK = "Find the crate with the spare lamp and say on which shelf it stands."


@dataclass(frozen=True)
class Step:
    """A call with its words, its result, and its bill: uncached, read, written, output."""

    id: str
    crate: str
    words: str
    result: str
    usage: tuple[int, int, int, int]


def steps() -> list[Step]:
    return [
        Step(
            f"call_{n}", f"crate-{700 + n}", f"I open crate {n}." if n % 3 else "",
            f"crate-{700 + n} stands on shelf-{31 * n % 97:03d}; inside: rope, tar, oil, " + "brass fitting, " * 30
            + f"and a note about crate-{701 + n}.",
            (40 + n, 150 * n, 170, 20),
        )
        for n in range(STEPS)
    ]  # fmt: skip


ANSWER = "The lamp is in crate-712 on shelf-081."
BILL = (30, 150 * STEPS, 25, 15)


def messages() -> list[tuple[str, Any]]:
    """The conversation as (role, content): plain words, steps with their call, and results."""
    said: list[tuple[str, Any]] = [("system", SYSTEM), ("user", TASK)]
    for step in steps():
        said += [("call", step), ("result", step)]
    return [*said, ("answer", ANSWER)]


def trace() -> str:
    shown: list[dict[str, Any]] = []
    for kind, found in messages():
        if kind == "call":
            call = {"id": found.id, "name": "open_crate", "args": {"crate": found.crate}}
            shown.append({"role": "assistant", "content": found.words, "tool_calls": [call]})
        elif kind == "result":
            shown.append({"role": "tool", "content": found.result, "tool_call_id": found.id})
        else:
            shown.append({"role": "assistant" if kind == "answer" else kind, "content": found})
    return json.dumps({"id": "depot", "source": "own", "tools": TOOLS, "model": MODEL, "messages": shown})


def _openai_messages() -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for kind, found in messages():
        if kind == "call":
            function = {"name": "open_crate", "arguments": json.dumps({"crate": found.crate})}
            call = {"id": found.id, "type": "function", "function": function}
            shown.append({"role": "assistant", "content": found.words or None, "tool_calls": [call]})
        elif kind == "result":
            shown.append({"role": "tool", "content": found.result, "tool_call_id": found.id})
        elif kind == "user":
            shown.append({"role": "user", "content": [{"type": "text", "text": found}]})
        else:
            shown.append({"role": "assistant" if kind == "answer" else kind, "content": found})
    return shown


def openai() -> str:
    return json.dumps({"model": MODEL, "tools": TOOLS, "messages": _openai_messages()}, indent=1)


def openai_calls() -> str:
    """One line a request with its completion."""
    every, lines = _openai_messages(), []
    bills = iter([*(step.usage for step in steps()), BILL])
    for n, message in enumerate(every):
        if message["role"] == "assistant":
            fresh, read, write, output = next(bills)
            usage = {
                "prompt_tokens": fresh + read + write, "completion_tokens": output,
                "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": write},
            }  # fmt: skip
            response = {"model": MODEL, "choices": [{"message": message}], "usage": usage}
            lines.append({"request": {"model": MODEL, "tools": TOOLS, "messages": every[:n]}, "response": response})
    return "\n".join(map(json.dumps, lines))


def _blocks(step: Step) -> list[dict[str, Any]]:
    thought = {"type": "thinking", "thinking": "Which one next?", "signature": "c2lnbmVk"}
    words = [{"type": "text", "text": step.words}] if step.words else []
    return [thought, *words, {"type": "tool_use", "id": step.id, "name": "open_crate", "input": {"crate": step.crate}}]


def _result(step: Step) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": step.id, "content": [{"type": "text", "text": step.result}]}


def anthropic() -> str:
    shown: list[dict[str, Any]] = []
    for kind, found in messages():
        if kind == "call":
            shown.append({"role": "assistant", "content": _blocks(found)})
        elif kind == "result":
            shown.append({"role": "user", "content": [_result(found)]})
        elif kind != "system":
            shown.append({"role": "assistant" if kind == "answer" else kind, "content": found})
    return json.dumps({"system": SYSTEM, "tools": TOOLS, "model": MODEL, "messages": shown})


def _langchain() -> Iterator[dict[str, Any]]:
    kinds = {"system": "system", "user": "human", "answer": "ai", "call": "ai", "result": "tool"}
    bills = iter([*(step.usage for step in steps()), BILL])
    for kind, found in messages():
        fields: dict[str, Any] = {"type": kinds[kind], "content": found if isinstance(found, str) else found.words}
        if kind in ("call", "answer"):
            fresh, read, write, output = next(bills)
            details = {"cache_read": read, "cache_creation": write}
            fields["usage_metadata"] = {
                "input_tokens": fresh + read + write, "output_tokens": output, "input_token_details": details,
            }  # fmt: skip
            fields["response_metadata"] = {"model_name": MODEL}
        if kind == "call":
            fields["tool_calls"] = [{"id": found.id, "name": "open_crate", "args": {"crate": found.crate}}]
        if kind == "result":
            fields |= {"content": found.result, "tool_call_id": found.id}
        yield fields


def langchain_dicts() -> str:
    return json.dumps([{"type": fields["type"], "data": fields} for fields in _langchain()])


def langchain_dumps() -> str:
    about = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AnyMessage"]}
    return json.dumps([{**about, "kwargs": fields} for fields in _langchain()])


def _anthropic_usage(bill: tuple[int, int, int, int]) -> dict[str, int]:
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    return dict(zip(names, bill, strict=True))


def claude_code() -> str:
    """A line a block, a branch that was left, a side chain, a compaction, and lines of other kinds."""
    lines: list[dict[str, Any]] = [
        {"type": "summary", "summary": "Lamps", "leafUuid": "u-gone"},
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}},
    ]
    parent: str | None = None

    def add(kind: str, message: dict[str, Any] | None = None, **more: Any) -> str:
        nonlocal parent
        entry = {"type": kind, "uuid": f"u{len(lines)}", "parentUuid": parent, "sessionId": "s", "isSidechain": False}
        lines.append({**entry, **({"message": message} if message else {}), **more})
        parent = str(lines[-1]["uuid"])
        return parent

    def reply(name: str, content: list[dict[str, Any]], bill: tuple[int, int, int, int], **more: Any) -> None:
        for block in content:
            message = {"id": name, "role": "assistant", "model": MODEL, "content": [block]}
            add("assistant", {**message, "usage": _anthropic_usage(bill)}, **more)

    add("user", {"role": "user", "content": TASK})
    task = parent
    reply("msg_left", [{"type": "text", "text": "A branch that was left."}], (1, 1, 1, 1))
    parent = task
    for n, step in enumerate(steps()):
        reply(f"msg_{n}", _blocks(step), step.usage)
        add("user", {"role": "user", "content": [_result(step)]}, toolUseResult={"stdout": step.result})
        if n == STEPS // 2:
            before = parent
            parent = None
            add("system", subtype="compact_boundary", logicalParentUuid=before)
            add("user", {"role": "user", "content": "So far: rope and tar."}, isCompactSummary=True)
    reply("msg_last", [{"type": "text", "text": ANSWER}], BILL)
    main, parent = parent, None
    add("user", {"role": "user", "content": "Count the brass fittings."}, isSidechain=True)
    reply("msg_side", [{"type": "text", "text": "There are 720."}], (5, 0, 0, 5), isSidechain=True)
    parent = main
    add("system", subtype="turn_duration")
    return "\n".join(map(json.dumps, lines))


def pi() -> str:
    header = {"type": "session", "version": 3, "id": "s", "timestamp": "2026-01-01T00:00:00Z", "cwd": "/depot"}
    lines: list[dict[str, Any]] = [header]
    parent: str | None = None

    def add(kind: str, **more: Any) -> None:
        nonlocal parent
        lines.append({"type": kind, "id": f"{len(lines):08x}", "parentId": parent, **more})
        parent = lines[-1]["id"]

    def reply(content: list[dict[str, Any]], bill: tuple[int, int, int, int]) -> None:
        names = ("input", "cacheRead", "cacheWrite", "output")
        usage = {**dict(zip(names, bill, strict=True)), "cost": {"total": 0.25}}
        add("message", message={"role": "assistant", "content": content, "model": MODEL, "usage": usage})

    add("model_change", provider="anthropic", modelId=MODEL)
    add("message", message={"role": "user", "content": TASK})
    task = parent
    reply([{"type": "text", "text": "A branch that was left."}], (1, 1, 1, 1))
    parent = task
    for n, step in enumerate(steps()):
        call = {"type": "toolCall", "id": step.id, "name": "open_crate", "arguments": {"crate": step.crate}}
        thought = {"type": "thinking", "thinking": "Which one next?"}
        reply([thought, *([{"type": "text", "text": step.words}] if step.words else []), call], step.usage)
        content = [{"type": "text", "text": step.result}]
        add(
            "message",
            message={"role": "toolResult", "toolCallId": step.id, "toolName": "open_crate", "content": content},
        )
        if n == STEPS // 2:
            add("compaction", summary="So far: rope and tar.", firstKeptEntryId=parent, tokensBefore=9)
    reply([{"type": "text", "text": ANSWER}], BILL)
    return "\n".join(map(json.dumps, lines))


def _parts(kind: str, found: Any) -> dict[str, Any]:
    if kind == "call":
        call = {"type": "tool_call", "id": found.id, "name": "open_crate", "arguments": {"crate": found.crate}}
        words = [{"type": "text", "content": found.words}] if found.words else []
        return {"role": "assistant", "parts": [{"type": "reasoning", "content": "Which one?"}, *words, call]}
    if kind == "result":
        return {"role": "tool", "parts": [{"type": "tool_call_response", "id": found.id, "response": found.result}]}
    role = "assistant" if kind == "answer" else kind
    return {"role": role, "parts": [{"type": "text", "content": found}]}


def _spans() -> Iterator[dict[str, Any]]:
    every = [(kind, _parts(kind, found)) for kind, found in messages()]
    bills = iter([*(step.usage for step in steps()), BILL])
    for n, (kind, said) in enumerate(every):
        if kind in ("call", "answer"):
            fresh, read, write, output = next(bills)
            yield {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": MODEL,
                "gen_ai.conversation.id": "depot",
                "gen_ai.system_instructions": json.dumps([{"type": "text", "content": SYSTEM}]),
                "gen_ai.tool.definitions": json.dumps(TOOLS),
                "gen_ai.input.messages": json.dumps([m for _, m in every[1:n]]),
                "gen_ai.output.messages": json.dumps([{**said, "finish_reason": "stop"}]),
                "gen_ai.usage.input_tokens": fresh + read + write,
                "gen_ai.usage.cache_read.input_tokens": read,
                "gen_ai.usage.cache_creation.input_tokens": write,
                "gen_ai.usage.output_tokens": output,
            }


def _typed(value: Any) -> dict[str, Any]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def otlp() -> str:
    """An export of OTLP, the newest span first, with a span that only wraps the others."""
    spans = [
        {"traceId": "t", "spanId": f"{n:04x}", "name": "chat", "startTimeUnixNano": str(10**18 + n),
         "attributes": [{"key": key, "value": _typed(value)} for key, value in found.items()]}
        for n, found in enumerate(_spans())
    ]  # fmt: skip
    wrap = {**spans[-1], "name": "invoke_agent", "spanId": "ffff"}
    wrap["attributes"] = [{"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}}]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [wrap, *reversed(spans)]}]}]})


def console_spans() -> str:
    return "\n".join(
        json.dumps({"name": "chat", "context": {"trace_id": "0xa", "span_id": f"0x{n}"},
                    "start_time": f"2026-01-01T00:00:{n:02d}Z", "attributes": found})
        for n, found in enumerate(_spans())
    )  # fmt: skip


@dataclass(frozen=True)
class Written:
    """A format: its name, what writes it, and what a file of it does not hold."""

    name: str
    write: Callable[[], str]
    surface: bool = True
    billed: bool = True


WRITTEN = {
    "trace": Written("trace", trace, billed=False),
    "openai": Written("OpenAI chat messages", openai, billed=False),
    "openai-calls": Written("OpenAI chat messages", openai_calls),
    "anthropic": Written("Anthropic messages", anthropic, billed=False),
    "langchain-dicts": Written("LangChain messages", langchain_dicts),
    "langchain-dumps": Written("LangChain messages", langchain_dumps),
    "claude-code": Written("Claude Code session", claude_code, surface=False),
    "pi": Written("pi session", pi, surface=False),
    "otlp": Written("OpenTelemetry spans", otlp),
    "console-spans": Written("OpenTelemetry spans", console_spans),
}
