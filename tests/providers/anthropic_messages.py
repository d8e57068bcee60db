"""Anthropic's messages as a strict double.

Rules (platform.claude.com/docs, "Handle tool calls" and "Messages", and the 400 texts in anthropics/claude-code #8210,
experientiallabs/experiential #804; read 2026-11-21): the first message is the user's and roles alternate; the message
after `tool_use` begins with one `tool_result` for each, all in that message; texts are neither empty nor blank; with
extended thinking a turn that uses tools begins with its thinking blocks, signatures unmodified; the last message is not
the assistant's; a prompt with calls in it defines tools (as litellm's adapter has it); at most four `cache_control`
marks.

Caching ("Prompt caching" there, read 2026-11-21): only up to `cache_control` marks, in the order tools, system text,
messages, from 1,024 tokens on; a read looks back over 20 blocks from each mark; writes cost 1.25. `input_tokens` are
those after the last mark. Tool use adds a system text of 346 tokens.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence

from satchel.memory.records import Json
from tests.providers.double import Billed, Block, Double, Marks, Refused, pairs
from tests.providers.errand import Wish

ID = re.compile(r"[a-zA-Z0-9_-]+")
MOST_MARKS = 4
TOOL_PROMPT = "with tools " * 170


def blocks_of(content: Json) -> list[Json]:
    """Content as blocks."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def sign(thought: str) -> str:
    """The signature that belongs to a thought."""
    return hashlib.sha256(thought.encode()).hexdigest()


class Anthropic(Double):
    def __init__(self, **options: int) -> None:
        super().__init__(**options)
        self.marks = Marks(1024, lookback=20)

    def check(self, body: Json) -> None:
        messages = body["messages"]
        for n, message in enumerate(messages):
            if message["role"] != ("assistant" if n % 2 else "user"):
                raise Refused('messages: roles must alternate between "user" and "assistant"')
            if not message["content"]:
                raise Refused(f"messages.{n}: user messages must have non-empty content")
            self._check_texts(message)
        if not body.get("tools") and any(_uses_tools(message) for message in messages):
            raise Refused("Requests which include `tool_use` or `tool_result` blocks must define tools")
        for n, (before, after) in enumerate(zip(messages, [*messages[1:], None], strict=True)):
            used = [block["id"] for block in blocks_of(before["content"]) if block["type"] == "tool_use"]
            self._check_results(n, used, blocks_of(after["content"]) if after else [])
            if used and body.get("thinking"):
                self._check_thinking(n, blocks_of(before["content"]))
        if messages[-1]["role"] != "user":
            raise Refused("This model does not support assistant message prefill.")
        if sum(block.marked for block in self.blocks(body)) > MOST_MARKS:
            raise Refused("A maximum of 4 blocks with cache_control may be provided.")

    @staticmethod
    def _check_texts(message: Json) -> None:
        for block in blocks_of(message["content"]):
            if block["type"] == "text" and not block["text"].strip():
                raise Refused("messages: text content blocks must be non-empty")
            if block["type"] == "tool_use" and not ID.fullmatch(block["id"]):
                raise Refused("messages: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")

    @staticmethod
    def _check_results(n: int, used: Sequence[str], after: Sequence[Json]) -> None:
        given = [block["tool_use_id"] for block in after if block["type"] == "tool_result"]
        first = [block["tool_use_id"] for block in after[: len(used)] if block["type"] == "tool_result"]
        if not pairs(used, first):
            raise Refused(f"messages.{n}: `tool_use` ids were found without `tool_result` blocks immediately after")
        if len(given) > len(used):
            raise Refused(f"messages.{n + 1}: unexpected `tool_use_id` found in `tool_result` blocks")

    @staticmethod
    def _check_thinking(n: int, blocks: Sequence[Json]) -> None:
        if blocks[0]["type"] != "thinking":
            raise Refused(f"messages.{n}.content.0.type: Expected `thinking`, but found `{blocks[0]['type']}`.")
        if blocks[0]["signature"] != sign(blocks[0]["thinking"]):
            raise Refused(f"messages.{n}.content.0: Invalid `signature` in `thinking` block")

    def blocks(self, body: Json) -> list[Block]:
        found = [Block(TOOL_PROMPT)] if body.get("tools") else []
        found += [Block(_text(tool), "cache_control" in tool) for tool in body.get("tools") or ()]
        found += [Block(_text(block), "cache_control" in block) for block in blocks_of(body.get("system") or [])]
        for message in body["messages"]:
            role, content = message["role"], blocks_of(message["content"])
            found += [Block(f"{role} {_text(block)}", "cache_control" in block) for block in content]
        return found

    def offered(self, body: Json) -> Collection[str]:
        none = (body.get("tool_choice") or {}).get("type") == "none"
        return set() if none else {tool["name"] for tool in body.get("tools") or ()}

    def bill(self, body: Json, blocks: Sequence[Block]) -> Billed:  # noqa: ARG002 - the shape of all doubles
        return self.marks.bill(blocks)

    def reply(self, body: Json, wish: Wish, billed: Billed) -> Json:
        thought = f"Let me think about step {self.number()}."
        content: list[Json] = []
        if body.get("thinking"):
            content.append({"type": "thinking", "thinking": thought, "signature": sign(thought)})
        if wish.words:
            content.append({"type": "text", "text": wish.words})
        content += [
            {"type": "tool_use", "id": f"toolu_{self.number():04d}Ab", "name": name, "input": args}
            for name, args in wish.calls
        ]
        return {
            "id": f"msg_{self.serial}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": "tool_use" if wish.calls else "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": billed.total - billed.read - billed.written,
                "cache_creation_input_tokens": billed.written,
                "cache_read_input_tokens": billed.read,
                "cache_creation": {"ephemeral_5m_input_tokens": billed.written, "ephemeral_1h_input_tokens": 0},
                "output_tokens": 30,
            },
        }

    def error(self, status: int, message: str, code: str | None) -> Json:  # noqa: ARG002 - as above
        kinds = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}

    def too_long(self, size: int) -> str:
        return f"prompt is too long: {size} tokens > {self.window} maximum"


def _uses_tools(message: Json) -> bool:
    return any(block["type"] in {"tool_use", "tool_result"} for block in blocks_of(message["content"]))


def _text(block: Json) -> str:
    """A block as the model sees it: its text, or its fields without the mark."""
    if block.get("type") == "text":
        return str(block["text"])
    bare = {key: value for key, value in block.items() if key != "cache_control"}
    content = bare.get("content")
    if isinstance(content, list):
        bare["content"] = "".join(part.get("text", "") for part in content)
    return json.dumps(bare, sort_keys=True, ensure_ascii=False)
