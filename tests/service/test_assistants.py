"""Assistants as runs are accepted with them: known for a while, and a change of this process counts at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from satchel.memory.fields import MemoryFields
from satchel.runtime.service import assistants
from satchel.runtime.service.assistants import Assistants
from satchel.runtime.service.faults import Refused
from satchel.runtime.service.models import AssistantCreate, AssistantPatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.store import ThreadId


class Counted(MemoryFields):
    """Counts how often it is asked, and answers late if it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.late: asyncio.Event | None = None

    async def get(self, thread: ThreadId, names: Sequence[bytes]) -> list[bytes | None]:
        """See `Fields`."""
        self.asked += 1
        found = await super().get(thread, names)
        if late := self.late:
            self.late = None
            await late.wait()
        return found


@pytest.fixture
def fields() -> Counted:
    return Counted()


async def made(here: Assistants) -> str:
    return str((await here.create("t", AssistantCreate(graph_id="g", name="first")))["assistant_id"])


async def test_what_another_process_changed_counts_a_little_later(
    fields: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Assistants(fields, ["g"]), Assistants(fields, ["g"])
    name = await made(here)
    asked = fields.asked
    assert [(await here.lately("t", name))["name"] for _ in range(5)] == ["first"] * 5
    assert fields.asked == asked + 1
    await there.change("t", name, AssistantPatch(name="second"))
    assert (await here.lately("t", name))["name"] == "first"
    assert (await here.find("t", name))["name"] == "second"
    assert (await there.lately("t", name))["name"] == "second"
    monkeypatch.setattr(assistants, "FRESH", -1.0)  # what is looked up from now on is old at once
    with pytest.raises(Refused):
        await here.lately("u", name)
    late = Assistants(fields, ["g"])
    for word in ("third", "fourth"):
        await here.change("t", name, AssistantPatch(name=word))
        assert (await late.lately("t", name))["name"] == word


async def test_own_changes_count_at_once(fields: Counted) -> None:
    here = Assistants(fields, ["g"])
    name = await made(here)
    await here.lately("t", name)
    await here.change("t", name, AssistantPatch(name="second"))
    assert (await here.lately("t", name))["name"] == "second"
    await here.choose("t", name, 1)
    assert (await here.lately("t", name))["name"] == "first"
    await here.delete("t", name)
    with pytest.raises(Refused):
        await here.lately("t", name)


async def test_what_was_read_before_a_change_and_answered_after_it_is_not_known(fields: Counted) -> None:
    here = Assistants(fields, ["g"])
    name = await made(here)
    fields.late = late = asyncio.Event()
    reading = asyncio.create_task(here.lately("t", name))
    await asyncio.sleep(0)  # it has asked
    await here.change("t", name, AssistantPatch(name="second"))
    late.set()
    assert (await reading)["name"] == "first"
    assert (await here.lately("t", name))["name"] == "second"


async def test_so_many_are_known_and_no_more(fields: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistants, "MOST", 3)
    here: Any = Assistants(fields, ["g"])
    for tenant in "abcdefg":
        await here.lately(tenant, "g")
        assert len(here._lately) <= 3
