"""OpenAI's responses as a strict double, for the models that langchain-openai asks there.

Rules (developers.openai.com/api/docs/guides/function-calling and /reasoning, and the 400 texts in vercel/ai #7099,
continuedev/continue #11994, 0xPlaygrounds/rig #751; read 2026-11-21): a function call that came with a reasoning item
is sent back with that item ahead of it; a reasoning item is followed by what it belongs to, and is one that was given;
every call has one output and every output a call before it. Caching: as in `openai_chat`.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from satchel.memory.records import Json
from tests.providers.double import Billed, Block, Refused
from tests.providers.errand import Wish
from tests.providers.openai_chat import NAME, OpenAI


class Responses(OpenAI):
    def __init__(self, **options: int) -> None:
        super().__init__(**options)
        self.reasons: dict[str, str] = {}
        """From a call's id to that of the reasoning item that it came with."""

    def check(self, body: Json) -> None:
        items, before = body["input"], ""
        open_calls: list[str] = []
        for n, item in enumerate(items):
            kind = item.get("type", "message")
            if kind == "reasoning":
                self._check_reasoning(item, items[n + 1 : n + 2])
                before = item["id"]
            elif kind == "function_call":
                self._check_call(item, before)
                open_calls.append(item["call_id"])
            elif kind == "function_call_output":
                if item["call_id"] not in open_calls:
                    raise Refused(f"No tool call found for function call output with call_id {item['call_id']}.")
                open_calls.remove(item["call_id"])
            elif open_calls:
                break
        if open_calls:
            raise Refused(f"No tool output found for function call {open_calls[0]}.")
        self._check_caching(body)

    def _check_reasoning(self, item: Json, after: Json) -> None:
        if item["id"] not in self.reasons.values():
            raise Refused(f"Item with id '{item['id']}' not found.")
        if not after or after[0].get("type") == "function_call_output" or after[0].get("role") == "user":
            raise Refused(f"Item '{item['id']}' of type 'reasoning' was provided without its required following item.")

    def _check_call(self, item: Json, before: str) -> None:
        needed = self.reasons.get(item["call_id"])
        if needed and needed != before:
            raise Refused(f"'function_call' was provided without its required 'reasoning' item: '{needed}'.")
        if not NAME.fullmatch(item["name"]):
            raise Refused("Invalid 'input.name': string does not match pattern.")
        json.loads(item["arguments"])

    def blocks(self, body: Json) -> list[Block]:
        found = [Block(json.dumps(body["tools"]))] if body.get("tools") else []
        for item in body["input"]:
            if item.get("type") == "function_call":
                found.append(Block(f"{item['name']} {item['arguments']}"))
            elif item.get("type") != "reasoning":
                said = item.get("output", item.get("content"))
                parts = [{"text": said}] if isinstance(said, str) else said
                who = item.get("role", "tool")
                found += [Block(f"{who} {part['text']}", "prompt_cache_breakpoint" in part) for part in parts]
        return found

    def offered(self, body: Json) -> Collection[str]:
        none = body.get("tool_choice") == "none"
        return set() if none else {tool["name"] for tool in body.get("tools") or ()}

    def reply(self, body: Json, wish: Wish, billed: Billed) -> Json:
        thought = f"rs_{self.number():04d}"
        output: list[Json] = [{"type": "reasoning", "id": thought, "summary": []}]
        if wish.words or not wish.calls:
            text = {"type": "output_text", "text": wish.words, "annotations": []}
            message = {"type": "message", "id": f"msg_{self.serial:04d}", "role": "assistant", "status": "completed"}
            output.append({**message, "content": [text]})
            self.reasons[message["id"]] = thought
        for name, args in wish.calls:
            call = f"call_{self.number():04d}"
            self.reasons[call] = thought
            output.append(
                {"type": "function_call", "id": f"fc_{self.serial:04d}", "call_id": call, "name": name,
                 "arguments": json.dumps(args), "status": "completed"}
            )  # fmt: skip
        return {
            "id": f"resp_{self.serial}", "object": "response", "created_at": 1_790_000_000, "status": "completed",
            "model": body["model"], "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
            "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
            "usage": {
                "input_tokens": billed.total, "output_tokens": 20, "total_tokens": billed.total + 20,
                "input_tokens_details": {"cached_tokens": billed.read, "cache_write_tokens": billed.written},
                "output_tokens_details": {"reasoning_tokens": 4},
            },
        }  # fmt: skip
