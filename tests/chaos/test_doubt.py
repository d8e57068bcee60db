"""Calls that a crash left in doubt, and executors that come back from the dead."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from satchel.memory.keys import keys
from satchel.memory.records import Call, Result
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from tests.chaos.conftest import Life, Place


def doubtful(life: Life) -> bool:
    """Whether the log holds the intent to post and not what came of it."""
    calls = {entry.record.id for entry in life.log if isinstance(entry.record, Call) and entry.record.name == "post"}
    return bool(calls - {entry.record.call for entry in life.log if isinstance(entry.record, Result)})


def posts(*lives: Life) -> int:
    return sum(note["name"] == "post" for life in lives for note in life.of("tool"))


async def kill_and_resume(place: Place, mode: str, point: int, whole: Life) -> bool:
    """Kill at a point of the task that posts; return whether that left the post in doubt."""
    await place.clear("post")
    killed = await place.live("post", mode, kill=point)
    lives = [killed, await place.live("post", mode, resume=killed.begun)]
    if doubtful(killed):
        assert lives[-1].end["outcome"] == "uncertain"
        assert "post (c0-1)" in lives[-1].end["detail"]
        assert lives[-1].executed == []
        lives.append(await place.live("post", mode, resume=True))
        assert posts(*lives) <= 1
    else:
        assert posts(*lives) == 1
    assert not {key for life in lives[1:] for key in life.executed} & killed.completed("post")
    assert (lives[-1].end["outcome"], lives[-1].end["output"]) == ("done", whole.end["output"])
    return doubtful(killed)


async def test_a_write_in_doubt_is_reported_and_never_run_again(places: list[Place]) -> None:
    """Killed at the odd operations in one mode, at the even ones in the other."""

    async def some(place: Place, mode: str, first: int) -> list[bool]:
        whole = await place.live("post", mode)
        numbers = [point["number"] for point in whole.of("point")][first::2]
        return [await kill_and_resume(place, mode, number, whole) for number in numbers]

    found = await asyncio.gather(some(places[0], "stateful", 0), some(places[1], "stateless", 1))
    assert [set(doubts) for doubts in found] == [{True, False}] * 2


async def take_over(place: Place, point: int) -> str:
    """Stop a process at a point, let another finish its thread, and wake it; return how it ended."""
    stopped = await place.live("port", "stateful", stop=point, ttl=3600)
    assert stopped.code is None
    other = await place.live("port", "stateful", resume=stopped.begun)
    assert other.end.get("type") == "ThreadBusy"
    assert await place.store._redis.delete(keys(ThreadId("port"))[1]) == 1  # what the server does when the hour is over
    other = await place.live("port", "stateful", resume=stopped.begun)
    assert (other.end["outcome"], other.end["output"]) == ("done", "8007")
    woken = await place.end(stopped, "port")
    assert woken.log == other.log
    assert woken.code == 0
    await place.clear("port")
    return str(woken.end.get("type") or woken.end["outcome"])


async def test_an_executor_that_slept_through_its_lease_can_write_nothing_more(places: list[Place]) -> None:
    async def some(place: Place, points: range) -> list[str]:
        return [await take_over(place, point) for point in points]

    found = await asyncio.gather(some(places[0], range(5, 8)), some(places[1], range(8, 11)))
    assert [*found] == [["LeaseLost"] * 3] * 2


async def test_an_executor_that_slept_when_all_was_written_tells_the_same_end(places: list[Place]) -> None:
    whole = await places[0].live("port", "stateful")
    await places[0].clear("port")
    assert await take_over(places[0], whole.of("point")[-1]["number"]) == "done"


async def test_a_dead_executor_holds_nobody_up(places: list[Place]) -> None:
    killed = await places[0].live("port", "stateful", kill=10, ttl=3600)
    assert killed.code == -signal.SIGKILL
    resumed = await places[0].live("port", "stateful", resume=True)
    assert resumed.end["outcome"] == "done"
