"""An agent that is killed at every operation in turn, and resumed, does what it would have done without."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from satchel.memory.records import Reply, Usage
from tests.chaos.depot import QUESTIONS, SERVICES

if TYPE_CHECKING:
    from tests.chaos.conftest import Life, Place

SIGKILLED = -9
MODES = ("stateful", "stateless")

STRIDE = 1 if os.environ.get("CHAOS") == "whole" else 2
"""Of all operations: each in both modes, or every other one, odd ones stateful and even ones stateless."""


def prompts(*lives: Life) -> dict[int, set[str]]:
    """The digests of all prompts that were sent for each step."""
    sent: dict[int, set[str]] = {}
    for life in lives:
        for note in life.of("prompt"):
            sent.setdefault(note["step"], set()).add(note["sha"])
    return sent


def spent(life: Life) -> Usage:
    """All that the log says was spent; what was cached does not count, for a provider's cache may die, too."""
    usage = sum((e.record.usage for e in life.log if isinstance(e.record, Reply)), Usage())
    return Usage(fresh=usage.input, output=usage.output, model_calls=usage.model_calls, usd=None)


def assert_same(whole: Life, thread: str, *lives: Life) -> None:
    """The promises: several processes, killed one after the other, have done what one would have."""
    for killed, resumed in pairwise(lives):
        assert killed.code == SIGKILLED
        assert killed.acknowledged <= {entry.op for entry in killed.log}
        assert resumed.log[: len(killed.log)] == killed.log
        assert not set(resumed.executed) & killed.completed(thread)
    assert {key for life in lives for key in life.executed} == set(whole.executed)
    assert prompts(*lives) == prompts(whole)
    assert spent(lives[-1]) == spent(whole)
    assert lives[-1].end == whole.end


async def sweep(place: Place, mode: str, question: str) -> None:
    """Kill a new process at each operation of the question, and resume."""
    whole = await place.live(question, mode)
    assert whole.end["outcome"] == "done", whole.end
    assert len(whole.executed) == len(set(whole.executed))
    for point in whole.of("point")[MODES.index(mode) % STRIDE :: STRIDE]:
        await place.clear(question)
        killed = await place.live(question, mode, kill=point["number"])
        assert_same(whole, question, killed, await place.live(question, mode, resume=killed.begun))


@pytest.mark.parametrize("question", QUESTIONS)
async def test_killed_at_any_operation_and_resumed_it_gives_the_same_answer(question: str, places: list[Place]) -> None:
    await asyncio.gather(*(sweep(place, mode, question) for place, mode in zip(places, MODES, strict=True)))


@pytest.mark.parametrize("mode", MODES)
async def test_killed_again_and_again_it_comes_to_the_same_end(mode: str, places: list[Place]) -> None:
    whole = await places[0].live("long chain", mode)
    await places[0].clear("long chain")
    lives = [await places[0].live("long chain", mode, kill=4)]
    while lives[-1].code == SIGKILLED:
        lives.append(await places[0].live("long chain", mode, kill=4, resume=lives[-1].begun))
    assert len(lives) > len(whole.executed)
    assert_same(whole, "long chain", *lives)


async def test_of_parallel_calls_only_the_unfinished_ones_run_again(places: list[Place]) -> None:
    whole = await places[0].live("replicas", "stateful")
    third = [p["number"] for p in whole.of("point") if p["what"].startswith("before append c")][2]
    await places[0].clear("replicas")
    killed = await places[0].live("replicas", "stateful", kill=third)
    assert len(killed.executed) == len(SERVICES)
    assert len(killed.completed("replicas")) == 2
    resumed = await places[0].live("replicas", "stateful", resume=True)
    assert resumed.executed == whole.executed[2:]
    assert_same(whole, "replicas", killed, resumed)


async def test_small_as_the_room_is_results_were_previewed_and_turns_folded_on_the_way(places: list[Place]) -> None:
    stock, chain = await places[0].live("stock", "stateful"), await places[0].live("long chain", "stateful")
    assert [entry.record.name for entry in stock.log if hasattr(entry.record, "name")].count("recall") > 0
    assert chain.end["folds"] > 0
