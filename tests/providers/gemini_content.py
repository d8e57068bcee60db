"""Gemini's generateContent as a strict double.

Rules (ai.google.dev/gemini-api/docs/function-calling and /thought-signatures, and the 400 texts in
google-gemini/gemini-cli #3814, #26486; read 2026-11-21): contents begin with the user; a function call turn comes right
after a user or a function response turn and is followed at once by as many function responses, in one turn; no part is
empty; in the current turn (since the last words of the user) the first function call of each step carries its thought
signature, unmodified.

Caching (ai.google.dev/gemini-api/docs/caching, updated 2026-10-13): implicit, every prefix from 4,096 tokens on for
Gemini 3.x, free to write, without a guarantee; `cachedContentTokenCount` tells.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence

from satchel.memory.records import Json
from tests.providers.double import Billed, Block, Double, Prefixes, Refused
from tests.providers.errand import Wish

SKIP = "skip_thought_signature_validator"


class Gemini(Double):
    def __init__(self, **options: int) -> None:
        super().__init__(**options)
        self.prefixes = Prefixes(4096)
        self.signed: set[str] = set()

    def check(self, body: Json) -> None:
        contents = body["contents"]
        if contents[0]["role"] != "user":
            raise Refused("Please ensure that the first content has role 'user'.")
        for before, content in zip([None, *contents], contents, strict=False):
            if not content.get("parts") or any(part.get("text") == "" for part in content["parts"]):
                raise Refused("Unable to submit request because it must have a non-empty text parameter.")
            calls, given = _count(before, "functionCall"), _count(content, "functionResponse")
            if _count(content, "functionCall") and not (before and before["role"] == "user"):
                raise Refused(
                    "Please ensure that function call turn comes immediately after a user turn or after a function"
                    " response turn."
                )
            if given and not calls:
                raise Refused("Please ensure that function response turn comes immediately after a function call turn.")
            if calls != given:
                raise Refused(
                    "Please ensure that the number of function response parts is equal to the number of function call"
                    " parts of the function call turn."
                )
        if contents[-1]["role"] != "user":
            raise Refused("Please ensure that the last turn is not the model's.")
        self._check_signatures(contents)

    def _check_signatures(self, contents: Sequence[Json]) -> None:
        turn = max(n for n, c in enumerate(contents) if c["role"] == "user" and not _count(c, "functionResponse"))
        for content in contents[turn:]:
            first = next((part for part in content["parts"] if "functionCall" in part), None)
            if first is None:
                continue
            if "thoughtSignature" not in first:
                raise Refused("Function call is missing a thought_signature in functionCall parts.")
            if first["thoughtSignature"] not in self.signed:  # the placeholder that clients may send counts as loss
                raise Refused("Invalid thought signature.")

    def blocks(self, body: Json) -> list[Block]:
        found = [Block(json.dumps(body[key], sort_keys=True)) for key in ("tools", "systemInstruction") if key in body]
        for content in body["contents"]:
            for part in content["parts"]:
                bare = {key: value for key, value in part.items() if key != "thoughtSignature"}
                text = bare.get("text") or json.dumps(bare, sort_keys=True, ensure_ascii=False)
                found.append(Block(f"{content['role']} {text}"))
        return found

    def offered(self, body: Json) -> Collection[str]:
        return {f["name"] for tool in body.get("tools") or () for f in tool.get("functionDeclarations", ())}

    def bill(self, body: Json, blocks: Sequence[Block]) -> Billed:  # noqa: ARG002 - the shape of all doubles
        return self.prefixes.bill(blocks, None)

    def reply(self, body: Json, wish: Wish, billed: Billed) -> Json:  # noqa: ARG002 - as above
        parts: list[Json] = [{"text": wish.words}] if wish.words else []
        for n, (name, args) in enumerate(wish.calls):
            part: Json = {"functionCall": {"name": name, "args": args}}
            if n == 0:
                part["thoughtSignature"] = base64.b64encode(f"thought {self.number()}".encode()).decode()
                self.signed.add(part["thoughtSignature"])
            parts.append(part)
        return {
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
            "modelVersion": "gemini-3.1-pro-preview",
            "responseId": f"r{self.serial}",
            "usageMetadata": {
                "promptTokenCount": billed.total, "cachedContentTokenCount": billed.read,
                "candidatesTokenCount": 20, "thoughtsTokenCount": 10, "totalTokenCount": billed.total + 30,
            },
        }  # fmt: skip

    def error(self, status: int, message: str, code: str | None) -> Json:  # noqa: ARG002 - as above
        kinds = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
        return {"error": {"code": status, "message": message, "status": kinds.get(status, "INTERNAL")}}

    def too_long(self, size: int) -> str:
        return f"The input token count ({size}) exceeds the maximum number of tokens allowed ({self.window})."


def _count(content: Json, kind: str) -> int:
    return sum(kind in part for part in content["parts"]) if content else 0
