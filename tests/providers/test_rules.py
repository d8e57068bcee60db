"""The doubles are strict: each rule is broken once, and the request is refused in the provider's words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from satchel.memory.records import Json
from tests.providers.anthropic_messages import Anthropic, sign
from tests.providers.gemini_content import Gemini
from tests.providers.mistral_chat import Mistral
from tests.providers.openai_chat import OpenAI
from tests.providers.openai_responses import Responses

Spoil = Callable[[Any], Any]


def called(n: int) -> Json:
    return {"id": f"abcdefgh{n}", "type": "function", "function": {"name": "walk", "arguments": "{}"}}


CHAT: Json = {
    "model": "gpt-5",
    "messages": [
        {"role": "system", "content": "Walk."},
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": "", "tool_calls": [called(1), called(2)]},
        {"role": "tool", "content": "1", "tool_call_id": "abcdefgh1"},
        {"role": "tool", "content": "2", "tool_call_id": "abcdefgh2"},
    ],
}
USES = [{"type": "tool_use", "id": f"t{n}", "name": "walk", "input": {}} for n in (1, 2)]
RESULTS = [{"type": "tool_result", "tool_use_id": f"t{n}", "content": "x"} for n in (1, 2)]
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": sign("Hm.")}
MESSAGES: Json = {
    "model": "claude",
    "system": "Walk.",
    "thinking": {"type": "enabled"},
    "tools": [{"name": "walk", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": [THOUGHT, *USES]},
        {"role": "user", "content": RESULTS},
    ],
}
CALL = {"functionCall": {"name": "walk", "args": {}}}
RESPONSE = {"functionResponse": {"name": "walk", "response": {"output": "x"}}}
CONTENTS: Json = {
    "contents": [
        {"role": "user", "parts": [{"text": "Go."}]},
        {"role": "model", "parts": [{**CALL, "thoughtSignature": "c2ln"}, CALL]},
        {"role": "user", "parts": [RESPONSE, RESPONSE]},
    ]
}


def gemini() -> Gemini:
    double = Gemini()
    double.signed.add("c2ln")
    return double


INPUT: Json = {
    "model": "gpt-6",
    "input": [
        {"role": "user", "content": "Go."},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "walk", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "x"},
    ],
}


def responses() -> Responses:
    double = Responses()
    double.reasons["c1"] = "rs_1"
    return double


LEGAL: dict[Callable[[], Any], Json] = {
    OpenAI: CHAT,
    Mistral: CHAT,
    Anthropic: MESSAGES,
    gemini: CONTENTS,
    responses: INPUT,
}


def drop(*path: Any) -> Spoil:
    """Leave something out."""

    def spoil(body: Json) -> None:
        for step in path[:-1]:
            body = body[step]
        del body[path[-1]]

    return spoil


def put(value: Json, *path: Any) -> Spoil:
    """Put something else in a place."""

    def spoil(body: Json) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = value

    return spoil


def add(value: Json, *path: Any, at: int = 99) -> Spoil:
    """Insert something into a list."""

    def spoil(body: Json) -> None:
        for step in path:
            body = body[step]
        body.insert(at, value)

    return spoil


BROKEN: list[tuple[Callable[[], Any], Spoil, str]] = [
    (OpenAI, drop("messages", 4), "must be followed by tool messages"),
    (OpenAI, add({"role": "user", "content": "?"}, "messages", at=4), "must be followed by tool messages"),
    (OpenAI, put("abcdefgh1", "messages", 4, "tool_call_id"), "must be followed by tool messages"),
    (OpenAI, drop("messages", 2), "must be a response to a preceeding message"),
    (OpenAI, put(None, "messages", 1, "content"), "expected a string, got null"),
    (OpenAI, put([{"type": "text", "text": ""}], "messages", 1, "content"), "must be non-empty"),
    (OpenAI, put("walk on", "messages", 2, "tool_calls", 0, "function", "name"), "does not match"),
    (OpenAI, put("walk", "messages", 3, "name"), "Unrecognized request argument"),
    (OpenAI, put({"mode": "explicit"}, "prompt_cache_options"), "not supported with gpt-5"),
    (responses, drop("input", 1), "without its required 'reasoning' item"),
    (responses, put("rs_2", "input", 1, "id"), "not found"),
    (responses, drop("input", 2), "without its required following item"),
    (responses, drop("input", 3), "No tool output found"),
    (responses, add({"role": "user", "content": "?"}, "input", at=3), "No tool output found"),
    (responses, put("c2", "input", 3, "call_id"), "No tool call found"),
    (Mistral, drop("messages", 4), "Not the same number of function calls"),
    (Mistral, add({"role": "user", "content": "?"}, "messages"), "Unexpected role 'user' after role 'tool'"),
    (Mistral, add({"role": "user", "content": "?"}, "messages", at=2), "Unexpected role 'user' after role 'user'"),
    (Mistral, put("call_1", "messages", 2, "tool_calls", 0, "id"), "with a length of 9"),
    (Mistral, put("Hm.", "messages", 2, "content"), "either content or tool_calls"),
    (Mistral, put([], "messages", 2, "tool_calls"), "either content or tool_calls"),
    (Mistral, put([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "messages"), "last role"),
    (Anthropic, drop("tools"), "must define tools"),
    (Anthropic, drop("messages", 0), "roles must alternate"),
    (Anthropic, add({"role": "user", "content": "?"}, "messages"), "roles must alternate"),
    (Anthropic, add({"role": "assistant", "content": "So"}, "messages"), "prefill"),
    (Anthropic, drop("messages", 2, "content", 1), "without `tool_result` blocks immediately after"),
    (Anthropic, add({"type": "text", "text": "!"}, "messages", 2, "content", at=0), "immediately after"),
    (Anthropic, add(RESULTS[0], "messages", 2, "content"), "unexpected `tool_use_id`"),
    (Anthropic, add({"type": "text", "text": " "}, "messages", 2, "content"), "must be non-empty"),
    (Anthropic, put("a b", "messages", 1, "content", 1, "id"), "should match pattern"),
    (Anthropic, drop("messages", 1, "content", 0), "Expected `thinking`"),
    (Anthropic, put("forged", "messages", 1, "content", 0, "signature"), "Invalid `signature`"),
    (Anthropic, put([{"type": "text", "text": "s", "cache_control": 1}] * 5, "system"), "maximum of 4 blocks"),
    (gemini, drop("contents", 0), "first content has role 'user'"),
    (gemini, drop("contents", 2, "parts", 1), "number of function response parts is equal"),
    (gemini, add({"role": "user", "parts": [{"text": "?"}]}, "contents", at=2), "number of function response parts"),
    (gemini, add({"role": "user", "parts": [RESPONSE]}, "contents"), "immediately after a function call turn"),
    (gemini, add({"role": "model", "parts": [CALL]}, "contents", at=2), "function call turn comes immediately after"),
    (gemini, add({"role": "user", "parts": [{"text": ""}]}, "contents"), "non-empty text"),
    (gemini, drop("contents", 1, "parts", 0, "thoughtSignature"), "missing a thought_signature"),
    (gemini, put("forged", "contents", 1, "parts", 0, "thoughtSignature"), "Invalid thought signature"),
    (gemini, add({"role": "model", "parts": [{"text": "So"}]}, "contents"), "last turn is not the model's"),
]  # fmt: skip


@pytest.mark.parametrize("made", LEGAL)
def test_a_legal_request_is_accepted(made: Callable[[], Any]) -> None:
    status, _, _ = made().handle(copy.deepcopy(LEGAL[made]))
    assert status == 200


@pytest.mark.parametrize(("made", "spoil", "words"), BROKEN, ids=[f"{b[0].__name__}-{n}" for n, b in enumerate(BROKEN)])
def test_a_request_that_breaks_a_rule_is_refused(made: Callable[[], Any], spoil: Spoil, words: str) -> None:
    body = copy.deepcopy(LEGAL[made])
    spoil(body)
    status, _, answer = made().handle(body)
    assert status == 400
    assert words in str(answer)
