"""Starts the runs of crons at their times: each time once, whichever process comes to it, also after a crash.

A time is claimed by writing into the cron that it is being served, and by whom; of several processes one succeeds. Then
its run is accepted as any other, under an id that follows from the cron and the time: so if the one that claimed it
dies, another accepts the same run, which the store takes once. Times that passed while nobody looked are one time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from satchel.memory.errors import StoreError
from satchel.memory.store import ThreadId
from satchel.runtime.failure import describe
from satchel.runtime.service import crons, runs, schedules, wire
from satchel.runtime.service.auth import Known
from satchel.runtime.service.caller import Caller
from satchel.runtime.service.faults import Refused

if TYPE_CHECKING:
    from satchel.memory.crons import CronRow, Name
    from satchel.runtime.service.crons import Cron
    from satchel.runtime.service.engine import Service

LOOK, LEAST = 5.0, 0.05
"""Seconds between two looks at crons that another process may have made, and between any two."""

HELD = 10_000
"""Milliseconds for which one process serves a time: longer than a run takes to be accepted, and shorter than the events
of a run stay after its end (`worker.KEEP`), by which the store knows that it took it."""

ONCE = 64
"""Crons that are looked at together."""

log = logging.getLogger("satchel.service")


class Clock:
    """Looks at the crons of all tenants."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """A cron was made or changed here: look at once."""
        self._bell.set()

    async def work(self) -> None:
        """Serve times until cancelled."""
        while True:
            wait = LOOK
            with contextlib.suppress(StoreError):  # the next look may reach it
                wait = await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait, LEAST)):
                    await self._bell.wait()
            self._bell.clear()

    async def _look(self) -> float:
        """Serve what is due; the seconds until something will be, at most `LOOK`."""
        now, waiting = await self._service.crons.due(ONCE)
        due = [name for name, at in waiting if at <= now]
        served = await asyncio.gather(*(self._serve(name, now) for name in due), return_exceptions=True)
        failed = [(name, problem) for name, problem in zip(due, served, strict=True) if problem is not None]
        for name, problem in failed:  # it comes again when its time is over
            log.warning("cron %s could not be served: %s", name[1], describe(problem))
        if len(due) > len(failed):
            return 0.0  # and when these are due again is known now
        return min([LOOK, *((at - now) / 1000 for _, at in waiting if at > now)])

    async def _serve(self, name: Name, now: int) -> None:
        row = await self._service.crons.get(name)
        if row is None:
            return
        cron = crons.of_row(row)
        at = crons.due(cron)
        if at is not None and at > now:
            return  # it was changed meanwhile
        if at is None or (crons.over(cron, now) and not cron["serving"]):
            await self._put(name, row, cron, at=None)
            return
        claimed = _claimed(cron, now)
        if await self._put(name, row, claimed, at=crons.due(claimed)):  # else another one has it
            await self._accept(name, claimed)
            await self._done(name, claimed["serving"])

    async def _done(self, name: Name, claim: dict[str, Any]) -> None:
        while (row := await self._service.crons.get(name)) is not None:
            cron = crons.of_row(row)
            free = {**cron, "serving": None}
            if cron["serving"] != claim or await self._put(name, row, free, at=crons.due(free)):
                return

    async def _put(self, name: Name, row: CronRow, cron: Cron, at: int | None) -> bool:
        return await self._service.crons.put(name, wire.dumps(cron), at=at, revision=row.revision) == "done"

    async def _accept(self, name: Name, cron: Cron) -> None:
        thread, tenant = cron["thread_id"], name[0]
        if thread and await self._service.runs.row(ThreadId(thread, tenant)) is None:
            await self._service.crons.delete(name)
            return
        call = Caller(Known(tenant, cron["user_id"]), self._service, cron["wanted"])
        run = str(uuid.uuid5(uuid.UUID(name[1]), str(cron["serving"]["time"])))
        try:
            await runs.accept(call, crons.run(cron), thread, name=run)
        except Refused as problem:
            log.warning("cron %s has no run at %s: %s", name[1], wire.at(cron["serving"]["time"]), problem.detail)


def _claimed(cron: Cron, now: int) -> Cron:
    """A cron of which one time is served: that which is due, or the one whose server was not heard of any more."""
    if cron["serving"]:
        time, following = cron["serving"]["time"], cron["next"]
    else:
        time, following = cron["next"], schedules.after(cron["schedule"], cron["timezone"], now)
    return {**cron, "next": following, "serving": {"time": time, "until": now + HELD, "by": secrets.token_hex(8)}}
