"""Every prompt of a run as it was sent, each message kept once: what a report opens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message
    from satchel.runtime.models import Answer


@dataclass(slots=True)
class Tape:
    """Collects prompts and replies. A prompt is the first `keep` messages of the one before it, and `then` others."""

    texts: list[Json] = field(default_factory=list)
    tools: list[Json] = field(default_factory=list)
    turns: list[Json] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)
    _last: list[int] = field(default_factory=list)

    def add(self, messages: Sequence[Message], tools: Sequence[Json], answer: Answer) -> None:
        """Keep a prompt with its reply."""
        numbers = [self._number(message.wire() | {"volatile": message.volatile}) for message in messages]
        pairs = zip(self._last, numbers, strict=False)
        shared = min(len(self._last), len(numbers))
        keep = next((n for n, (a, b) in enumerate(pairs) if a != b), shared)
        if list(tools) not in self.tools:
            self.tools.append(list(tools))
        calls = [{"name": call.name, "args": call.args} for call in answer.calls]
        self.turns.append({
            "keep": keep, "then": numbers[keep:], "tools": self.tools.index(list(tools)),
            "reply": {"text": answer.text, "calls": calls},
        })  # fmt: skip
        self._last = numbers

    def _number(self, wire: Json) -> int:
        text = json.dumps(wire, ensure_ascii=False, sort_keys=True)
        if text not in self._known:
            self._known[text] = len(self.texts)
            self.texts.append(wire)
        return self._known[text]

    def to_json(self) -> dict[str, Json]:
        """The tape as it stands in pairs.json: distinct messages and sets of tools, and the turns that name them.

        The last `volatile` characters of a message are the tail with the latest state.
        """
        return {"texts": self.texts, "tools": self.tools, "turns": self.turns}


def prompts(tape: dict[str, Json]) -> list[list[int]]:
    """The numbers of the messages of each prompt."""
    every: list[list[int]] = []
    for turn in tape["turns"]:
        every.append([*(every[-1] if every else [])[: turn["keep"]], *turn["then"]])
    return every
