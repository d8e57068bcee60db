"""Spans with an attribute for each field of each message, as OpenLLMetry and OpenInference write them.

OpenLLMetry: `gen_ai.prompt.N.content`, `gen_ai.completion.N...`, `llm.request.functions.N...`
(traceloop.com/docs/openllmetry/contributing/semantic-conventions). OpenInference: `llm.input_messages.N.message.role`,
`llm.tools.N.tool.json_schema`, `llm.token_count.prompt_details.cache_read`
(arize-ai.github.io/openinference/spec/semantic_conventions.html). Both read 2026-11-21.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.evals.transcripts.openai import message
from satchel.evals.transcripts.source import shallow
from satchel.evals.transcripts.transcript import Request, bill, count, usage

if TYPE_CHECKING:
    from satchel.memory.records import Json, Usage

Attributes = Mapping[str, "Json"]

DEEPEST = 16
"""Parts of a name beyond which it is none of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """The names of one convention; `chat` makes a chat message of what stands under one of its numbers."""

    prompt: str
    reply: str
    tools: str
    models: tuple[str, ...]
    input: tuple[str, ...]
    output: tuple[str, ...]
    read: str
    write: str
    reasoning: str
    chat: Callable[[Json], Mapping[str, Json]]


def _openllmetry(raw: Json) -> Mapping[str, Json]:
    calls = [{"id": c.get("id"), "function": c} for c in raw.get("tool_calls") or ()]
    return {**raw, "content": _parts(raw.get("content")), "tool_calls": calls}


def _openinference(raw: Json) -> Mapping[str, Json]:
    found = raw["message"]
    calls = [c["tool_call"] for c in found.get("tool_calls") or ()]
    parts = [c["message_content"] for c in found.get("contents") or ()]
    return {**found, "content": found.get("content") or parts, "tool_calls": calls}


def _parts(content: Json) -> Json:
    """Words, or the parts that were written as JSON in their place."""
    try:
        found = json.loads(content) if isinstance(content, str) and content.startswith("[{") else None
    except (ValueError, RecursionError):
        return content
    return found if found and shallow(found) and all(isinstance(p, dict) and "type" in p for p in found) else content


CONVENTIONS = (
    Convention(
        prompt="gen_ai.prompt", reply="gen_ai.completion", tools="llm.request.functions",
        models=("gen_ai.response.model", "gen_ai.request.model"),
        input=("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        output=("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        read="gen_ai.usage.cache_read_input_tokens", write="gen_ai.usage.cache_creation_input_tokens",
        reasoning="gen_ai.usage.reasoning_tokens", chat=_openllmetry,
    ),
    Convention(
        prompt="llm.input_messages", reply="llm.output_messages", tools="llm.tools",
        models=("llm.response.model_name", "llm.model_name"),
        input=("llm.token_count.prompt",), output=("llm.token_count.completion",),
        read="llm.token_count.prompt_details.cache_read", write="llm.token_count.prompt_details.cache_write",
        reasoning="llm.token_count.completion_details.reasoning", chat=_openinference,
    ),
)  # fmt: skip


def request(found: Attributes) -> Request | None:
    """The model call that the attributes of a span tell; None if they tell none."""
    for way in CONVENTIONS:
        prompt, reply = nested(found, way.prompt), nested(found, way.reply)
        if prompt and reply:
            model = next((found[name] for name in way.models if name in found), None)
            return Request(
                messages=tuple(message(way.chat(raw)) for raw in prompt),
                reply=tuple(message({"role": "assistant", **way.chat(raw)}) for raw in reply[:1]),
                tools=[_schema(tool) for tool in nested(found, way.tools)],
                model=model,
                billed=(bill(model, _usage(found, way)),) if any(name in found for name in way.input) else (),
            )
    return None


def _schema(tool: Json) -> Json:
    """A tool's schema, from JSON text where it is told as such."""
    text = tool["tool"]["json_schema"] if isinstance(tool.get("tool"), dict) else tool.get("parameters")
    told = json.loads(text) if isinstance(text, str) else text
    if not shallow(told):
        raise ValueError("a schema nested too deep")
    return told if "tool" in tool else {**tool, "parameters": told}


def _usage(found: Attributes, way: Convention) -> Usage:
    return usage(
        total=count(found, *way.input), read=count(found, way.read), write=count(found, way.write),
        output=count(found, *way.output), reasoning=count(found, way.reasoning),
    )  # fmt: skip


def nested(found: Attributes, prefix: str) -> list[Json]:
    """The values under numbered names that begin with a prefix, in the order of their numbers."""
    root: dict[str, Json] = {}
    for name, value in found.items():
        if name.startswith(f"{prefix}."):
            *path, leaf = name[len(prefix) + 1 :].split(".", DEEPEST)
            place = root
            for part in path:
                place = place.setdefault(part, {})
            place[leaf] = value
    made = _listed(root)
    return made if isinstance(made, list) else []


def _listed(value: Json) -> Json:
    """Objects whose names are all numbers as lists."""
    if not isinstance(value, dict):
        return value
    made = {key: _listed(part) for key, part in value.items()}
    if not made or not all(key.isdecimal() and len(key) < DEEPEST for key in made):
        return made
    return [made[key] for key in sorted(made, key=int)]
