"""What could not be written behind the run's back is told to the run."""

from __future__ import annotations

import pytest

from satchel.memory.errors import LeaseLost
from satchel.memory.memory_store import MemoryStore
from satchel.memory.open import runs_of
from satchel.memory.runs import Turn
from satchel.memory.store import ThreadId
from satchel.memory.streams import Streams
from satchel.runtime.service.outbox import Outbox


async def test_a_small_event_that_was_refused_is_told_with_the_next() -> None:
    runs, thread = runs_of(MemoryStore()), ThreadId("t")
    await runs.admit(thread, "r", b"{}", strategy="enqueue", due=0, make=b"{}", limit=9)
    stale = await runs.claim(thread, ttl=0)
    assert isinstance(stale, Turn)
    assert isinstance(await runs.claim(thread, ttl=60), Turn)  # another executor took the turn
    outbox = Outbox(Streams(runs), stale, last_values=False)
    await outbox.add("messages", {"piece": 1})
    assert outbox._timer
    await outbox._timer
    with pytest.raises(LeaseLost):
        await outbox.add("values", {})
    with pytest.raises(LeaseLost):
        await outbox.rest()
