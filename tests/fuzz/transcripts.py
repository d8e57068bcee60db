"""Transcripts that nobody would write: files of every format with parts swapped, lost, doubled or of other types."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from satchel.evals.analysis_file import document
from satchel.evals.analysis_text import markdown
from satchel.evals.analyze import Analysis, Read, Settings
from satchel.evals.transcripts import formats
from satchel.evals.transcripts.source import parse
from tests.evals import odd, written
from tests.fuzz.mutate import mutated

SHORT = 3
"""Steps of the conversation that is altered."""

SETTINGS = Settings.of("stateful", "+1500", ["c=.10,w=1.25"])
HERE = Path("stranger.jsonl")

LEAVES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1 << 70, 1e308, float("nan"), float("inf"), "", "a", "user", "assistant", "tool",
    "system", "call_0", "[]", "{}", "\ud800", "\u202e<script>", "x" * 5_000, [], {}, [None], {"type": "text"},
    {"type": None},
    {"type": "tool_use", "id": None, "name": "", "input": None}, {"role": "assistant"}, [[]],
)  # fmt: skip


def _seeds() -> list[list[Any]]:
    """The values of each file that the tests write, of a shorter conversation, and of the odd ones."""
    steps, written.STEPS = written.STEPS, SHORT
    try:
        texts = [row.write() for row in written.WRITTEN.values()]
    finally:
        written.STEPS = steps
    return [list(parse(HERE, text.encode()).values) for text in [*texts, *odd.ODD.values()]]


SEEDS = _seeds()


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    for key in list(value) if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0):
        yield value, key
        yield from _places(value[key])


def _nested(dice: random.Random, value: Any) -> Any:
    for _ in range(dice.choice((1, 3, 60, 70, 200))):
        value = {"content": value} if dice.random() < 0.5 else [value]
    return value


def _altered(dice: random.Random, values: list[Any]) -> list[Any]:
    places = list(_places(values))
    where, key = dice.choice(places)
    roll = dice.random()
    if roll < 0.5:
        where[key] = _copy(dice.choice(LEAVES))
    elif roll < 0.7:
        there, other = dice.choice(places)
        where[key] = _copy(there[other])
    elif roll < 0.8:
        del where[key]
    elif roll < 0.9 and isinstance(where, list):
        where.insert(key, _copy(where[key]))
    else:
        where[key] = _nested(dice, where[key])
    return values


def make(dice: random.Random) -> bytes:
    """One file: sound JSON of the wrong shape, or bytes that are hardly JSON."""
    values = _copy(dice.choice(SEEDS))
    if dice.random() < 0.1:
        values += _copy(dice.choice(SEEDS))
    for _ in range(dice.choice((1, 1, 2, 5))):
        values = _altered(dice, values) or [None]
    data = "\n".join(map(json.dumps, values)).encode()
    return mutated(dice, [data]) if dice.random() < 0.1 else data


def read(data: bytes) -> object:
    """All that `analyze` does with a file, but opening it."""
    name, runs = formats.told(parse(HERE, data), HERE)
    done = [Read(file=HERE.name, format=name, transcript=run, figures=SETTINGS.measure(run)) for run in runs]
    found = Analysis(settings=SETTINGS, read=tuple(done))
    return json.dumps(document(found), allow_nan=False), markdown(found)


for _seed in SEEDS:  # each is a sound file; and what is loaded once is loaded before a case is watched
    read("\n".join(map(json.dumps, _seed)).encode())
