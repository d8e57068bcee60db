"""OpenAI's chat completions as a strict double.

Rules (platform.openai.com/docs/api-reference/chat/create and its 400 texts, read 2026-11-21): an assistant message with
`tool_calls` is followed at once by one tool message for each id; a tool message follows such a message; content is null
only beside calls; names match `^[a-zA-Z0-9_-]{1,64}$`; fields that are not known are refused.

Caching (developers.openai.com/api/docs/guides/prompt-caching, read 2026-11-21): before GPT-5.6 every prefix of 1,024
tokens or more, in steps of 128, free to write. From GPT-5.6 on a prefix is read only where a breakpoint was written: at
`prompt_cache_breakpoint` marks (up to four writes, no look-back limit over the latest 80), or, in implicit mode, at the
end of the newest message; writes cost 1.25 of the input price; `prompt_cache_key` is needed for reliable matching.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

from satchel.memory.records import Json
from tests.providers.double import Billed, Block, Double, Marks, Prefixes, Refused, pairs
from tests.providers.errand import Wish

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MARKED = re.compile(r"gpt-(5\.[6-9]|[6-9])")
MOST_WRITES = 4

FIELDS = {
    "system": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal"},
    "tool": {"role", "content", "tool_call_id"},
}


def parts(content: Json) -> list[Json]:
    """Content as blocks."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


class OpenAI(Double):
    def __init__(self, **options: int) -> None:
        super().__init__(**options)
        self.prefixes = Prefixes(1024, 128)
        self.marks = Marks(1024, lookback=10**6)

    def check(self, body: Json) -> None:
        waiting: list[str] = []
        answered: list[str] = []
        for n, message in enumerate(body["messages"]):
            if extra := set(message) - FIELDS[message["role"]]:
                raise Refused(f"Unrecognized request argument supplied: messages[{n}].{extra.pop()}")
            if message["role"] == "tool":
                self._check_answer(message, waiting)
                answered.append(message["tool_call_id"])
                continue
            self._check_answered(waiting, answered)
            self._check_words(n, message)
            waiting, answered = [call["id"] for call in message.get("tool_calls") or ()], []
        self._check_answered(waiting, answered)
        self._check_caching(body)

    @staticmethod
    def _check_answer(message: Json, waiting: Sequence[str]) -> None:
        if message["tool_call_id"] not in waiting:
            raise Refused(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with"
                " 'tool_calls'."
            )

    @staticmethod
    def _check_answered(waiting: Sequence[str], answered: Sequence[str]) -> None:
        if not pairs(waiting, answered):
            raise Refused(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
                f" 'tool_call_id'. The following tool_call_ids did not have response messages: {waiting}"
            )

    @staticmethod
    def _check_words(n: int, message: Json) -> None:
        content, calls = message.get("content"), message.get("tool_calls") or []
        if content is None and not calls:
            raise Refused(f"Invalid value for 'content': expected a string, got null. messages[{n}]")
        if isinstance(content, list) and any(part["type"] == "text" and not part["text"] for part in content):
            raise Refused(f"Invalid value: '' at messages[{n}].content: text content must be non-empty.")
        for call in calls:
            json.loads(call["function"]["arguments"])
            if not NAME.fullmatch(call["function"]["name"]):
                raise Refused(f"Invalid 'messages[{n}].tool_calls': name does not match the pattern.")

    def _check_caching(self, body: Json) -> None:
        marked = sum(block.marked for block in self.blocks(body))
        if (marked or "prompt_cache_options" in body) and not MARKED.match(body["model"]):
            raise Refused(f"'prompt_cache_options' is not supported with {body['model']}.")
        if marked > MOST_WRITES:
            raise Refused("A request can write up to four breakpoints.")

    def blocks(self, body: Json) -> list[Block]:
        found = [Block(json.dumps(body["tools"]))] if body.get("tools") else []
        for message in body["messages"]:
            found += [
                Block(f"{message['role']} {part['text']}", "prompt_cache_breakpoint" in part)
                for part in parts(message.get("content"))
            ]
            if message.get("tool_calls"):
                asked = (call["function"] for call in message["tool_calls"])
                found.append(Block("\n".join(f"{call['name']} {call['arguments']}" for call in asked)))
        return found

    def offered(self, body: Json) -> Collection[str]:
        none = body.get("tool_choice") == "none"
        return set() if none else {tool["function"]["name"] for tool in body.get("tools") or ()}

    def bill(self, body: Json, blocks: Sequence[Block]) -> Billed:
        key = body.get("prompt_cache_key")
        if not MARKED.match(body["model"]):
            return self.prefixes.bill(blocks, key)
        if key is None:
            return Billed(sum(block.tokens for block in blocks))
        if (body.get("prompt_cache_options") or {}).get("mode") != "explicit":
            blocks = [*blocks[:-1], Block(blocks[-1].text, marked=True)]
        return self.marks.bill(blocks)

    def reply(self, body: Json, wish: Wish, billed: Billed) -> Json:
        calls = [
            {"id": f"call_{self.number():04d}xYz", "type": "function",
             "function": {"name": name, "arguments": json.dumps(args)}}
            for name, args in wish.calls
        ]  # fmt: skip
        message: Json = {"role": "assistant", "content": wish.words or None, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        details = {"cached_tokens": billed.read, "cache_write_tokens": billed.written, "audio_tokens": 0}
        return {
            "id": f"chatcmpl-{self.serial}",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
            "usage": {
                "prompt_tokens": billed.total, "completion_tokens": 20, "total_tokens": billed.total + 20,
                "prompt_tokens_details": details, "completion_tokens_details": {"reasoning_tokens": 4},
            },
        }  # fmt: skip

    def error(self, status: int, message: str, code: str | None) -> Json:
        kind = "invalid_request_error" if status == 400 else "server_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def too_long(self, size: int) -> str:
        return (
            f"This model's maximum context length is {self.window} tokens. However, your messages resulted in {size}"
            " tokens. Please reduce the length of the messages."
        )
