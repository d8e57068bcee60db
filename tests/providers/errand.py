"""The errand that every double's model runs: sixty rooms to walk, coins to add up, a seal seen once at the start."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from dataclasses import dataclass

from satchel.memory.records import Json
from satchel.runtime.tools import Tool, tool

ROOMS = 60
TASK = "Walk through all rooms, one after the other, and tell how many coins you carry then, and the seal of the gate."
INSTRUCTIONS = "You walk through a house. Ask for one room after the other and keep the coins. " * 6

_CARRY = re.compile(r"after room (\d+) you carry (\d+) coins")
_SEAL = re.compile(r"\bseal-\d{6}\b")
_WORDS = ("lamp", "chair", "rug", "clock", "vase", "map", "chest", "door", "stair", "window")


@dataclass(frozen=True)
class Wish:
    """What the model says next: words, and calls as (name, arguments)."""

    words: str = ""
    calls: tuple[tuple[str, dict[str, Json]], ...] = ()


def answer(rooms: int = ROOMS) -> str:
    """The right answer."""
    return f"I carry {sum(map(_coins, range(1, rooms + 1)))} coins under {_seal()}."


def wish(text: str, offered: Collection[str], rooms: int = ROOMS) -> Wish:
    """What the model does, by the text of the whole prompt and the names of the tools offered: a pure function."""
    room, carried = max(((int(r), int(c)) for r, c in _CARRY.findall(text)), default=(0, 0))
    if not offered:
        return Wish(f"So far I carry {carried} coins.")
    if room == 0:
        return Wish("I start at the gate.", (("gate", {}), ("walk", {"room": 1, "carried": 0})))
    if room < rooms:
        onward: dict[str, Json] = {"room": room + 1, "carried": carried}
        calls = (("walk", onward), ("peek", {"room": room + 1})) if room % 2 else (("walk", onward),)
        return Wish("" if room % 3 else f"On to room {room + 1}.", calls)
    seal = _SEAL.search(text)
    return Wish(f"I carry {carried} coins under {seal[0] if seal else 'a seal that I forgot'}.")


def tools() -> list[Tool]:
    """The house."""

    @tool(effect="read")
    def gate() -> dict[str, str]:
        """Look at the gate."""
        return {"seal": _seal(), "colour": "green"}

    @tool(effect="idempotent")
    def walk(room: int, carried: int) -> str:
        """Walk into a room with the coins that you carry."""
        dice = random.Random(room)
        lines = (400 if room % 20 == 10 else 24) * (room % 7 != 3)
        seen = "\n".join(" ".join(dice.choices(_WORDS, k=12)) for _ in range(lines))
        return f"after room {room} you carry {carried + _coins(room)} coins\n{seen}"

    @tool(effect="read")
    def peek(room: int) -> str:
        """Look through the keyhole."""
        return "" if room % 4 else f"room {room} is dark"

    return [gate, walk, peek]


def _coins(room: int) -> int:
    return random.Random(room).randrange(1, 9)


def _seal() -> str:
    return f"seal-{random.Random(60).randrange(10**5, 10**6)}"
