"""The `webhook` of a run: told when it has ended, at least once, by whichever server comes to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from satchel.memory.errors import StoreError
from satchel.memory.store import ThreadId
from satchel.memory.tasks import ended
from satchel.runtime.failure import describe
from satchel.runtime.service import runs, wire
from satchel.runtime.service.addresses import Addresses, Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from satchel.memory.deliveries import Deliveries, Name
    from satchel.memory.runs import Runs
    from satchel.runtime.service.settings import ServiceSettings

LOOK = 1.0
"""Seconds between two looks at what waits."""

PATIENCE = 10.0
"""Seconds that whoever is told may take to answer."""

HELD = 60.0
"""Seconds for which one process has a delivery: longer than a try takes."""

PAUSE = 0.1
"""Seconds before the second try, a quarter; each further one is four times as long: half an hour for eight tries."""

ONCE = 16
"""Deliveries that are tried at once."""

LAST = 1.0
"""Seconds that tries have to end when the server ends."""

log = logging.getLogger("satchel.service")


class Webhooks:
    """Sends what `end` keeps. The body is JSON: the run as the API shows it, with `values` or `error`."""

    def __init__(self, kept: Deliveries, runs: Runs, settings: ServiceSettings) -> None:
        self.addresses = Addresses(settings.webhook_networks)
        self._kept = kept
        self._runs = runs
        self._tries = settings.webhook_tries
        self._bell = asyncio.Event()
        self._ending = False

    async def end(
        self,
        thread: ThreadId,
        run: str,
        asked: Mapping[str, Any],
        status: str,
        *,
        error: Mapping[str, str] | None = None,
        values: Any = None,
    ) -> Name:
        """Keep what will be told once the end of the run is written; where it is kept. Raises `StoreError`."""
        shown = runs.shown(thread, run, asked, status, time.time_ns() // 1_000_000)
        told = {**shown, **({"error": error} if error else {"values": values})}
        name = (thread.tenant, f"{run} {secrets.token_hex(4)}")
        await self._keep(name, {"url": asked["webhook"], "thread": thread.name, "tries": 0, "told": told}, 0.0)
        return name

    def ring(self) -> None:
        """The end of a run is written: look at once."""
        self._bell.set()

    async def forget(self, name: Name) -> None:
        """The run did not end so. Raises `StoreError`."""
        await self._kept.done(name)

    async def work(self) -> None:
        """Send until it is closed."""
        limits = httpx.Limits(max_keepalive_connections=0)  # two names at one address never share a connection
        async with httpx.AsyncHTTPTransport(trust_env=False, limits=limits) as way:
            while not self._ending:
                with contextlib.suppress(StoreError):  # the next look may reach it
                    due = await self._kept.due(ONCE)
                    tried = await asyncio.gather(*(self._try(way, name) for name in due), return_exceptions=True)
                    for problem in filter(None, tried):  # it comes again when its time is over
                        log.warning("a webhook could not be tried: %s", describe(problem))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._bell.wait()
                self._bell.clear()

    async def aclose(self, working: asyncio.Task[None]) -> None:
        """End the work by itself: who is cut off amid a try leaves it to nobody until its time is over."""
        self._ending = True
        self._bell.set()
        await asyncio.wait([working], timeout=LAST)
        await ended(working)

    async def _try(self, way: httpx.AsyncHTTPTransport, name: Name) -> None:
        body = await self._kept.take(name, wait=HELD)
        if body is None:
            return
        kept = wire.loads(body)
        run = name[1].partition(" ")[0]
        row = await self._runs.run(ThreadId(kept["thread"], name[0]), run)
        if row is not None and row.status in {"pending", "running"}:  # its end was not written, and may be another
            await self._keep(name, kept, LOOK)
            return
        why = await self._send(way, kept["url"], wire.dumps(kept["told"]))
        tries = kept["tries"] + 1
        if why is None or tries >= self._tries:
            if why:
                log.warning("the webhook of run %s was not taken %d times and is given up: %s", run, tries, why)
            await self._kept.done(name)
            return
        await self._keep(name, {**kept, "tries": tries}, PAUSE * 4.0**tries)

    async def _keep(self, name: Name, kept: Mapping[str, Any], wait: float) -> None:
        await self._kept.put(name, wire.dumps(kept), wait=wait)

    async def _send(self, way: httpx.AsyncHTTPTransport, url: str, body: bytes) -> str | None:
        """Why it was not taken. A transport alone follows no redirect and keeps no cookie."""
        try:
            parts = urlsplit(url)
            address = await self.addresses.pinned(url)
            host = f"[{address}]" if ":" in address else address
            there = urlunsplit(
                (parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path or "/", parts.query, "")
            )
            headers = {"Host": parts.netloc, "Content-Type": "application/json"}
            name = {"sni_hostname": str(parts.hostname)}  # the certificate is that of the name
            async with asyncio.timeout(PATIENCE):
                request = httpx.Request("POST", there, content=body, headers=headers, extensions=name)
                answer = await way.handle_async_request(request)
                await answer.aclose()  # what it says beside its status is not read
        except (httpx.HTTPError, OSError, Forbidden, ValueError) as problem:
            return describe(problem)
        return None if answer.is_success else f"status {answer.status_code}"
