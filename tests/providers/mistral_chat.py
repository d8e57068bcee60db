"""Mistral's chat completions as a strict double.

Rules (mistralai/mistral-common, protocol/instruct/validator.py, serving mode, and the API's 400 texts; read
2026-11-21): no words of the user right after a tool's result; as many tool messages as calls, ids of nine letters or
digits; an assistant message has text or calls, not neither and (older validators) not both; the last role is user or
tool. Two messages of the user in a row are refused here, too, as the templates of open weights do.

Caching (docs.mistral.ai/studio-api/conversations/advanced/prompt-caching, read 2026-11-21): prefixes in blocks of 64
tokens, for requests that share a `prompt_cache_key`; `usage.prompt_tokens_details.cached_tokens` tells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

from satchel.memory.records import Json
from tests.providers.double import Billed, Block, Double, Prefixes, Refused, pairs
from tests.providers.errand import Wish

ID = re.compile(r"[a-zA-Z0-9]{9}")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
AFTER = {
    None: {"system", "user"},
    "system": {"user"},
    "user": {"assistant"},
    "assistant": {"user", "tool"},
    "tool": {"assistant", "tool"},
}


class Mistral(Double):
    def __init__(self, **options: int) -> None:
        super().__init__(**options)
        self.prefixes = Prefixes(64, 64)

    def check(self, body: Json) -> None:
        before: str | None = None
        asked: list[str] = []
        answered: list[str] = []
        for message in body["messages"]:
            role = message["role"]
            if role not in AFTER[before]:
                raise Refused(f"Unexpected role '{role}' after role '{before}'", code="3230")
            if role == "tool":
                answered.append(message["tool_call_id"])
            elif not pairs(asked, answered):
                raise Refused("Not the same number of function calls and responses", code="3230")
            if role == "assistant":
                asked, answered = self._asked(message), []
            if role == "user" and not message["content"]:
                raise Refused("User message must have content")
            before = role
        if not pairs(asked, answered):
            raise Refused("Not the same number of function calls and responses", code="3230")
        if before not in {"user", "tool"}:
            raise Refused(
                f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {before}"
            )

    @staticmethod
    def _asked(message: Json) -> list[str]:
        calls = message.get("tool_calls") or []
        if bool(message.get("content")) == bool(calls):
            raise Refused("Assistant message must have either content or tool_calls, but not both.")
        for call in calls:
            if not ID.fullmatch(call["id"]):
                raise Refused(f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9.")
            if not NAME.fullmatch(call["function"]["name"]):
                raise Refused(f"Function name was {call['function']['name']} but must be a-z, A-Z, 0-9")
            json.loads(call["function"]["arguments"])
        return [call["id"] for call in calls]

    def blocks(self, body: Json) -> list[Block]:
        found = [Block(json.dumps(body["tools"]))] if body.get("tools") else []
        for message in body["messages"]:
            content = message.get("content") or ""
            text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            found.append(Block(f"{message['role']} {text}"))
            if message.get("tool_calls"):
                asked = (call["function"] for call in message["tool_calls"])
                found.append(Block("\n".join(f"{call['name']} {call['arguments']}" for call in asked)))
        return found

    def offered(self, body: Json) -> Collection[str]:
        return {tool["function"]["name"] for tool in body.get("tools") or ()}

    def bill(self, body: Json, blocks: Sequence[Block]) -> Billed:
        key = body.get("prompt_cache_key")
        return self.prefixes.bill(blocks, key) if key else Billed(sum(block.tokens for block in blocks))

    def reply(self, body: Json, wish: Wish, billed: Billed) -> Json:
        calls = [
            {"id": f"m{self.number():08d}", "type": "function",
             "function": {"name": name, "arguments": json.dumps(args)}}
            for name, args in wish.calls
        ]  # fmt: skip
        message = {"role": "assistant", "content": wish.words, "tool_calls": calls or None, "prefix": False}
        return {
            "id": f"cmpl-{self.serial}",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
            "usage": {
                "prompt_tokens": billed.total, "completion_tokens": 15, "total_tokens": billed.total + 15,
                "prompt_tokens_details": {"cached_tokens": billed.read},
            },
        }  # fmt: skip

    def error(self, status: int, message: str, code: str | None) -> Json:  # noqa: ARG002 - the shape of all doubles
        kind = "invalid_request_message_order" if code == "3230" else "invalid_request_error"
        return {"object": "error", "message": message, "type": kind, "param": None, "code": code}

    def too_long(self, size: int) -> str:
        return (
            f"Prompt contains {size} tokens and 0 draft tokens, too large for model with {self.window} maximum context"
            " length"
        )
