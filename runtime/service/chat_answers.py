"""What a run left, in the shapes of OpenAI's chat: the answer, why it ended, and the tokens of all its model calls."""

from __future__ import annotations

import json
from typing import Any

CUT = {"done": "stop", None: "stop"}
"""Why an agent ended, in OpenAI's words; what stops it before it is done is a limit."""


def text(content: Any) -> str:
    """The text of a message's content."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def piece(data: list[Any]) -> str:
    """The model's text in an event of the mode `messages-tuple`."""
    message = data[0]
    kind = str(message.get("type", "")).lower()
    return text(message.get("content")) if kind.startswith("ai") else ""


class Ending:
    """The end of a run, from the values of its thread."""

    def __init__(self, values: Any) -> None:
        self._values = values if isinstance(values, dict) else {}
        self._answers = _answers(self._values)

    @property
    def text(self) -> str:
        """The last words of the model."""
        return text(self._answers[-1].get("content")) if self._answers else ""

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Tools that the model asked for and nobody ran: the caller's."""
        messages = self._values.get("messages") or [{}]
        asked = messages[-1].get("tool_calls") or [] if messages[-1].get("type") == "ai" else []
        return [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": json.dumps(call.get("args"), ensure_ascii=False)},
            }
            for call in asked
        ]

    @property
    def reason(self) -> str:
        """Why it ended: `stop`, `tool_calls`, or `length` for an agent that a limit stopped."""
        return "tool_calls" if self.calls else CUT.get(self._values.get("outcome"), "length")

    @property
    def more(self) -> dict[str, Any]:
        """What OpenAI's answers have not got: the interrupts that wait for `command: {"resume": ...}`."""
        waits = self._values.get("__interrupt__")
        return {"interrupts": waits} if waits else {}

    @property
    def message(self) -> dict[str, Any]:
        """The answer as a message."""
        calls = {"tool_calls": self.calls} if self.calls else {}
        return {"role": "assistant", "content": self.text or None if calls else self.text, "refusal": None, **calls}

    @property
    def usage(self) -> dict[str, Any]:
        """Tokens of all model calls since the user's last words; cached ones are part of the prompt's."""
        used = [message.get("usage_metadata") or {} for message in self._answers]
        given, made = (sum(one.get(key, 0) for one in used) for key in ("input_tokens", "output_tokens"))
        cached = sum((one.get("input_token_details") or {}).get("cache_read", 0) for one in used)
        details = {"prompt_tokens_details": {"cached_tokens": cached}}
        return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **details}


def _answers(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of the model since the user's last words."""
    found: list[dict[str, Any]] = []
    for message in reversed(values.get("messages") or []):
        if message.get("type") == "human":
            break
        if message.get("type") == "ai":
            found.insert(0, message)
    return found
