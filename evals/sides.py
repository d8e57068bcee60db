"""Pairs of trials as the page shows them: the worst first, those with prompts turn by turn, both sides aligned."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.evals.pairs import Pair, ranked
from satchel.evals.prompt_tape import prompts

if TYPE_CHECKING:
    from satchel.memory.records import Json

LISTED = 40
"""Pairs in the list of a page; result.json has them all."""

HEAD, TAIL = 6_000, 2_000
"""Characters of a longer text that the page shows; pairs.json has it whole."""

PAGE = 1_500_000
"""Characters of prompts in one page. A pair that no longer fits is listed without them."""

LINE = 90
"""Characters of the line that stands for a message."""

KEPT = "\n\t"
"""Control characters that a page may show as they are."""


def visible(text: str) -> str:
    """The text without anything that acts unseen: control and direction characters are named by their numbers."""
    if text.isprintable():
        return text
    return "".join(c if c in KEPT or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} else _named(c) for c in text)


def _named(character: str) -> str:
    return f"\\u{ord(character):04x}"


def clip(text: str) -> str:
    """The head and tail of a long text."""
    if len(text) <= HEAD + TAIL:
        return text
    left = len(text) - HEAD - TAIL
    return f"{text[:HEAD]}\n[... {left:,} characters more; pairs.json has them ...]\n{text[-TAIL:]}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A message on the page: who speaks, a line that stands for it, and its text."""

    role: str
    line: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One prompt of one side: its tokens, the prefix sent before, what is new in it, what it no longer has, the reply.

    `kept` counts the messages that stand as they stood in the prompt before.
    """

    input: int
    cached: int
    folded: bool
    kept: int
    new: tuple[Shown, ...]
    dropped: tuple[Shown, ...]
    reply: Shown
    tools: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of both sides, None where a run has ended; `same` says that both prompts had the same new messages."""

    number: int
    base: Side | None
    ours: Side | None
    same: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A pair in the list, with its turns if its prompts are there; `sound` says that they are those of the trials."""

    pair: Pair
    turns: tuple[Turn, ...] = ()
    sound: bool = True


def rows(data: Mapping[str, Json], recorded: Sequence[Json]) -> list[Row]:
    """The worst pairs, those that were recorded with their turns as far as the page can take them."""
    known = {(r["suite"], r["case"], r["seed"], r["ours"]["mode"]): r for r in recorded}
    made, left = [], PAGE
    for pair in ranked(data)[:LISTED]:
        t = pair.ours
        found = known.get((t["suite"], t["case"], t["seed"], t["mode"]))
        size = sum(min(len(json.dumps(text)), HEAD + TAIL) for s in ("base", "ours") for text in found[s]["texts"]
                   ) if found else 0  # fmt: skip
        if found and size <= left:
            left -= size
            sound = all(found[s]["prompts"] == trial["prompts"] for s, trial in (("base", pair.base), ("ours", t)))
            made.append(Row(pair, tuple(_turns(found, pair)), sound))
        else:
            made.append(Row(pair))
    return made


def _turns(found: Mapping[str, Json], pair: Pair) -> list[Turn]:
    base, ours = _side(found["base"], pair.base), _side(found["ours"], pair.ours)
    turns = []
    for n in range(max(len(base), len(ours))):
        a, b = (side[n] if n < len(side) else None for side in (base, ours))
        turns.append(Turn(n + 1, a, b, a is not None and b is not None and a.new == b.new and not b.dropped))
    return turns


def _side(tape: Mapping[str, Json], trial: Mapping[str, Json]) -> list[Side]:
    sides, before, tools = [], list[int](), -1
    bodies = [_body(text) for text in tape["texts"]]
    for turn, numbers, spent in zip(tape["turns"], prompts(dict(tape)), trial["turns"], strict=False):
        new, dropped = ([tape["texts"][n] for n in found] for found in _changes(before, numbers, tape["texts"], bodies))
        schemas = tape["tools"][turn["tools"]]
        sides.append(
            Side(
                input=spent[0],
                cached=spent[1],
                folded=bool(spent[3]),
                kept=len(numbers) - len(new),
                new=tuple(map(_shown, new)),
                dropped=tuple(map(_shown, dropped)),
                reply=_reply(turn["reply"]),
                tools=clip(json.dumps(schemas, indent=1, ensure_ascii=False)) if turn["tools"] != tools else "",
            )
        )
        before, tools = numbers, turn["tools"]
    return sides


def _changes(
    before: Sequence[int], now: Sequence[int], texts: Sequence[Json], bodies: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Messages of a prompt that the one before did not have, and those of that one that are gone, by their numbers.

    A message that only lost its tail is neither, and one that goes on in a longer one is not gone.
    """
    old, there = {bodies[n] for n in before}, {bodies[n] for n in now}
    new = [n for n in now if bodies[n] not in old or texts[n]["volatile"]]
    missing = [n for n in before if bodies[n] not in there]
    return new, [n for n in missing if not any(body.startswith(bodies[n]) for body in there)]


def _body(message: Mapping[str, Json]) -> str:
    """A message as text, without its tail."""
    text = message["content"]
    own = text[: len(text) - message["volatile"]]
    return f"{message['role']} {message.get('tool_call_id')} {_calls(message.get('tool_calls') or ())}\n{own}"


def _shown(message: Mapping[str, Json]) -> Shown:
    text = message["content"] + _calls(message.get("tool_calls") or ())
    return Shown(_role(message), _line(text), clip(text))


def _role(message: Mapping[str, Json]) -> str:
    tail = "with the latest state" if message["volatile"] else None
    return " ".join(filter(None, (message["role"], message.get("name"), tail)))


def _reply(reply: Mapping[str, Json]) -> Shown:
    text = reply["text"] + _calls(reply["calls"])
    return Shown("reply", _line(text), clip(text))


def _calls(calls: Sequence[Mapping[str, Json]]) -> str:
    return "".join(f"\n{call['name']}({json.dumps(call['args'], ensure_ascii=False)})" for call in calls)


def _line(text: str) -> str:
    line = " ".join(text[: 4 * LINE].split())
    return line if len(line) <= LINE else line[:LINE] + "..."
