"""`Runs` on a server with the Redis protocol, over the connections of a `ServerStore`."""

from __future__ import annotations

import secrets
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from satchel.memory import keys
from satchel.memory.errors import LeaseLost
from satchel.memory.holder import Holder
from satchel.memory.keys import RunKeys, stream_key
from satchel.memory.marks import mark
from satchel.memory.run_rows import FIELDS, row_of
from satchel.memory.runs import Admitted, NoTurn, RunRow, ThreadRow, Turn, Written
from satchel.memory.sentences import lost
from satchel.memory.server_busy import ServerBusy, now
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.runs import Action, Drop, Events, Strategy

MOST_EVENTS = 10_000
"""Events of a run that are kept, about; a reader that is further behind misses the oldest."""

MORE = 2
"""What the script answers that ended a run behind which others wait."""


class ServerRuns(ServerBusy):
    """Threads, runs and events of a service, on one server."""

    # ------------------------------------------------------------------ threads

    async def create(self, thread: ThreadId, doc: bytes) -> bool:
        """Make a thread; False if there is one already."""
        await self._enlist(thread)
        return bool(await self._run("CREATE", [RunKeys.of(thread).runs], [doc]))

    async def row(self, thread: ThreadId) -> ThreadRow | None:
        """A thread, or None."""
        return next(iter(await self.rows([thread])), None)

    async def rows(self, threads: Sequence[ThreadId]) -> list[ThreadRow]:
        """Those of the threads that are there."""
        with self._errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for thread in threads:
                    names = RunKeys.of(thread)
                    pipe.hmget(names.runs, ["thread", "rest"])
                    pipe.lrange(names.q, 0, -1)
                answers = await pipe.execute()
        found = zip(threads, answers[::2], answers[1::2], strict=True)
        return [
            ThreadRow(thread, doc, rest or b"", tuple(run.decode() for run in queue))
            for thread, (doc, rest), queue in found
            if doc is not None
        ]

    async def replace(self, thread: ThreadId, old: bytes, new: bytes) -> bool:
        """Put a new `doc` in the place of an old one."""
        await self._enlist(thread)
        return bool(await self._run("REPLACE", [RunKeys.of(thread).runs], [old, new]))

    async def settle(self, thread: ThreadId, rest: bytes) -> None:
        """Say how the thread stands, without a run."""
        await self._run("SETTLE", [RunKeys.of(thread).runs], [rest])

    async def listed(self, tenant: str) -> list[ThreadId]:
        """All threads of a tenant, the one that changed last first."""
        with self._errors():
            found = await self._redis.zrange(keys.index_of_service(tenant), 0, -1, desc=True)
        return [ThreadId(keys.named(name), tenant) for name in found]

    async def delete(self, thread: ThreadId) -> bool:
        """Remove a thread with its runs and events."""
        names = RunKeys.of(thread)
        with self._errors():
            runs = [run.decode() for run in await self._redis.lrange(names.all, 0, -1)]
            streams = [stream_key(thread, run) for run in runs]
            there = await self._redis.unlink(names.runs)
            await self._redis.unlink(names.q, names.all, names.fence, names.hold, *streams)
            if runs:
                await self._redis.hdel(keys.index_of_runs(thread.tenant), *runs)
            await self._redis.zrem(keys.index_of_service(thread.tenant), keys.listed(thread))
        return bool(there)

    # ------------------------------------------------------------------ runs

    async def admit(
        self, thread: ThreadId, run: str, doc: bytes, *, strategy: Strategy, due: int, make: bytes | None, limit: int
    ) -> Admitted:
        """Accept a run, once."""
        lists: list[Sequence[Any]] = (
            [("ZADD", keys.index_of_service(thread.tenant), now(), keys.listed(thread))] if make is not None else []
        )
        lists += [
            ("HSET", keys.index_of_runs(thread.tenant), run, keys.listed(thread)),
            ("ZADD", keys.BUSY, now(), keys.address(thread)),
        ]
        names = RunKeys.of(thread)
        args = [run, doc, strategy, due, now(), make or b"", limit]
        how, *before = await self._run("ADMIT", [names.runs, names.q, names.all, stream_key(thread, run)], args, lists)
        if how != b"ok":
            await self._unlist(thread, run, "run" if make is None or await self.row(thread) else "thread")
        return Admitted(cast("Any", how.decode()), tuple(found.decode() for found in before))

    async def claim(self, thread: ThreadId, *, ttl: float) -> Turn | NoTurn:
        """Take the thread's turn."""
        names = RunKeys.of(thread)
        at = [names.runs, names.q, names.fence, names.hold]
        nonce, holder, dead = secrets.token_hex(8), Holder.here().text(), ""
        for _ in range(2):
            reply = await self._run("CLAIM", at, [nonce, int(ttl * 1000), holder, dead, now()])
            if reply[0] != b"held":
                break
            token, _, known = reply[1].decode(errors="replace").partition("\t")
            found = Holder.parse(known)
            if found is None or not found.dead():
                break
            dead = token
        if reply[0] == b"held":
            return NoTurn(held=True, seconds=max(reply[2], 0) / 1000)
        if reply[0] == b"none":
            return NoTurn(held=False, seconds=max(0, int(reply[1]) - now()) / 1000 if reply[1] else None)
        return Turn(thread, reply[2].decode(), reply[1].decode(), int(reply[3]), reply[4].decode(), reply[5])

    async def renew(self, turn: Turn, *, ttl: float) -> str:
        """Hold the turn for `ttl` more seconds."""
        names = RunKeys.of(turn.thread)
        args = [turn.token, int(ttl * 1000), Holder.here().text(), turn.run]
        reply = await self._run("RENEW", [names.runs, names.fence, names.hold], args)
        if reply is None:
            raise LeaseLost(lost(turn.thread))
        return cast("str", reply.decode())

    async def release(self, turn: Turn) -> None:
        """Give the turn back with its run not ended."""
        names = RunKeys.of(turn.thread)
        await self._run("RELEASE", [names.runs, names.fence, names.hold], [turn.token, turn.run])

    async def finish(
        self, turn: Turn, *, status: str, error: bytes, rest: bytes, drop: Drop, keep: float, events: Events = ()
    ) -> tuple[bool, Written]:
        """End the run and the turn; whether other runs wait."""
        names, moment = RunKeys.of(turn.thread), now()
        at = [names.runs, names.q, names.fence, names.hold, names.all, stream_key(turn.thread, turn.run)]
        args = [turn.token, turn.run, status, error, rest, drop, int(keep * 1000), moment, *chain.from_iterable(events)]
        done, *places = await self._run("FINISH", at, args, _listed(turn.thread, turn.run, drop))
        if not done:
            raise LeaseLost(lost(turn.thread))
        if drop == "thread":
            self._gone.append((moment, keys.address(turn.thread)))
        return bool(done == MORE), _written(places)

    async def append(self, turn: Turn, events: Events) -> Written:
        """Append events to the run's stream."""
        at = [RunKeys.of(turn.thread).fence, stream_key(turn.thread, turn.run)]
        args = [turn.token, mark(4).hex(), MOST_EVENTS, *chain.from_iterable(events)]
        done, *places = await self._run("APPEND", at, args)
        if not done:
            raise LeaseLost(lost(turn.thread))
        return _written(places)

    async def cancel(self, thread: ThreadId, run: str, action: Action, *, keep: float) -> str:
        """Stop a run."""
        args = [run, action, now(), int(keep * 1000)]
        how = cast("str", (await self._run("CANCEL", _of_run(thread, run), args)).decode())
        if how == "stopped" and action == "rollback":
            await self._unlist(thread, run, "run")
        return how

    async def forget(self, thread: ThreadId, run: str) -> bool:
        """Remove a run and its events."""
        done = await self._run("FORGET", _of_run(thread, run), [run])
        await self._unlist(thread, run, "run")
        return bool(done)

    async def run(self, thread: ThreadId, run: str) -> RunRow | None:
        """A run, or None."""
        return next(iter(await self._rows(thread, [run])), None)

    async def runs(self, thread: ThreadId) -> list[RunRow]:
        """All runs of a thread, in order."""
        with self._errors():
            found = await self._redis.lrange(RunKeys.of(thread).all, 0, -1)
        return await self._rows(thread, [run.decode() for run in found])

    async def thread_of(self, tenant: str, run: str) -> ThreadId | None:
        """The thread of a run, or None."""
        with self._errors():
            found = await self._redis.hget(keys.index_of_runs(tenant), run)
        return None if found is None else ThreadId(keys.named(found), tenant)

    async def taken(self, thread: ThreadId, run: str) -> bool:
        """Note that somebody reads the run's events."""
        return bool(await self._run("TAKEN", [RunKeys.of(thread).runs], [run]))

    async def _rows(self, thread: ThreadId, runs: Sequence[str]) -> list[RunRow]:
        if not runs:
            return []
        width = len(FIELDS) + 1
        names = [name for run in runs for name in (run, *(f"{run} {field}" for field in FIELDS))]
        with self._errors():
            kept = await self._redis.hmget(RunKeys.of(thread).runs, names)
        rows = (kept[n : n + width] for n in range(0, len(kept), width))
        return [row_of(run, row) for run, row in zip(runs, rows, strict=True) if row[0] is not None]

    async def _enlist(self, thread: ThreadId) -> None:
        with self._errors():
            await self._redis.zadd(keys.index_of_service(thread.tenant), {keys.listed(thread): now()})

    async def _unlist(self, thread: ThreadId, run: str, drop: Drop) -> None:
        """Take what is dropped off the tenant's lists."""
        with self._errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for command in _listed(thread, run, drop):
                    pipe.execute_command(*command)
                await pipe.execute()


def _listed(thread: ThreadId, run: str, drop: Drop) -> Sequence[Sequence[Any]]:
    """The commands that take what will be dropped off the lists, before it is: then a crash leaves nothing listed."""
    commands = [("HDEL", keys.index_of_runs(thread.tenant), run)] if drop else []
    if drop == "thread":
        commands.append(("ZREM", keys.index_of_service(thread.tenant), keys.listed(thread)))
    return commands


def _written(places: Sequence[bytes]) -> Written:
    """What a script says of the events that it wrote; nothing if an earlier try of the same did."""
    before, *ids = (place.decode() for place in places or (b"",))
    return Written(before, tuple(ids))


def _of_run(thread: ThreadId, run: str) -> list[str]:
    names = RunKeys.of(thread)
    return [names.runs, names.q, names.all, stream_key(thread, run)]
