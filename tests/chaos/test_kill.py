"""An agent that is killed at every operation in turn, and resumed, does what it would have done without."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from satchel.memory.records import Reply, Started, Usage
from tests.chaos.depot import QUESTIONS

if TYPE_CHECKING:
    from tests.chaos.conftest import Life, Place

SIGKILLED = -9
MODES = ("stateful", "stateless")


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


def same(whole: Life, killed: Life, resumed: Life, thread: str) -> None:
    """The promises, for one kill."""
    acknowledged = {note["what"].split()[-1] for note in killed.of("point") if note["what"].startswith("after append")}
    assert acknowledged <= {entry.op for entry in killed.log}
    assert resumed.log[: len(killed.log)] == killed.log
    assert not set(resumed.executed) & killed.completed(thread)
    assert sorted({*killed.executed, *resumed.executed}) == sorted(whole.executed)
    assert prompts(killed, resumed) == prompts(whole)
    assert spent(resumed) == spent(whole)
    assert resumed.end == whole.end


async def sweep(place: Place, mode: str, question: str) -> int:
    """Kill a new process at each operation of the question, and resume; return the number of operations."""
    whole = await place.live(question, mode)
    assert whole.end["outcome"] == "done", whole.end
    assert len(whole.executed) == len(set(whole.executed))
    points = whole.of("point")
    for point in points:
        await place.clear(question)
        killed = await place.live(question, mode, kill=point["number"])
        assert killed.code == SIGKILLED
        begun = any(isinstance(entry.record, Started) for entry in killed.log)
        same(whole, killed, await place.live(question, mode, resume=begun), question)
    return len(points)


@pytest.mark.parametrize("question", QUESTIONS)
async def test_killed_at_every_operation_and_resumed_it_gives_the_same_answer_in_both_modes(
    question: str, places: list[Place]
):
    counts = await asyncio.gather(*(sweep(place, mode, question) for place, mode in zip(places, MODES, strict=True)))
    assert min(counts) >= 12
