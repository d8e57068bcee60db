"""The service behind its routes: what it serves, its store, its runs, and who executes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from satchel.memory.errors import ConfigError
from satchel.memory.langgraph_store import RedisStore
from satchel.memory.memory_store import MemoryStore
from satchel.memory.open import crons_of, deliveries_of, rates_of, runs_of
from satchel.memory.saver import RedisSaver
from satchel.memory.streams import Streams
from satchel.memory.tasks import ended
from satchel.runtime.agent import Agent
from satchel.runtime.service import faults
from satchel.runtime.service.agents import ServedAgent
from satchel.runtime.service.assistants import Assistants
from satchel.runtime.service.clock import Clock
from satchel.runtime.service.dispatcher import SLOTS, Dispatcher, InProcess
from satchel.runtime.service.factories import Maker
from satchel.runtime.service.graphs import ServedGraph
from satchel.runtime.service.metrics import Metrics
from satchel.runtime.service.queued import Queued
from satchel.runtime.service.saver import DiscreetSaver
from satchel.runtime.service.settings import ServiceSettings, configured
from satchel.runtime.service.webhooks import Webhooks
from satchel.runtime.service.worker import Worker
from satchel.runtime.settings import Settings
from satchel.runtime.stores import open_store

if TYPE_CHECKING:
    from satchel.memory.crons import Crons
    from satchel.memory.rates import Rates
    from satchel.memory.runs import Runs
    from satchel.memory.store import Store
    from satchel.runtime.service.served import Served
    from satchel.runtime.telemetry import Telemetry

DEFAULT = "agent"
"""The name of what is served alone."""


class Service:
    """Everything that the routes of one application share; it lives in the event loop that starts it."""

    store: Store
    runs: Runs
    streams: Streams
    assistants: Assistants
    dispatcher: Dispatcher
    worker: Worker
    queued: Queued
    rates: Rates
    webhooks: Webhooks
    crons: Crons
    clock: Clock
    _saver: RedisSaver

    def __init__(
        self,
        agents: object,
        *,
        store: str | None = None,
        slots: int = SLOTS,
        settings: ServiceSettings | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.graphs: Mapping[str, Any] = agents if isinstance(agents, Mapping) else {DEFAULT: agents}
        if not self.graphs or not all(self.graphs):
            raise ConfigError("nothing to serve: give an Agent, a compiled graph, or a mapping from names to these")
        self.metrics = Metrics()
        self.settings = settings or configured()
        self.telemetry = telemetry
        self.draining = False
        self._url = store
        self._slots = slots
        self._starting = asyncio.Lock()
        self._started = False
        self._looking: asyncio.Task[None] | None = None
        self._served: dict[tuple[str, str], Served] = {}
        self._savers: dict[str, RedisSaver] = {}
        self._memories: dict[str, RedisStore] = {}

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return self._started and not self.draining

    async def start(self) -> None:
        """Open the store and take up the runs that wait in it; again is nothing. Raises `StoreError`."""
        async with self._starting:
            if self._started:
                return
            self.store = await open_store(self._url)
            at = self.store if isinstance(self.store, MemoryStore) else self._url or Settings().store
            self._saver = DiscreetSaver(at)
            self.runs = runs_of(self.store)
            self.streams = Streams(self.runs)
            self.queued = Queued(self.runs)
            self.rates = rates_of(self.store)
            self.assistants = Assistants(self.store.fields, self.graphs)
            self.webhooks = Webhooks(deliveries_of(self.store), self.runs, self.settings)
            self.worker = Worker(self.streams, self.served, self.metrics, self.webhooks, self.telemetry)
            dispatcher = InProcess(self.runs, self.worker.execute, self.worker.look, slots=self._slots)
            self.dispatcher = self._local = dispatcher
            self._looking = asyncio.create_task(dispatcher.worker(), name="worker")
            self._telling = asyncio.create_task(self.webhooks.work(), name="webhooks")
            self.crons, self.clock = crons_of(self.store), Clock(self)
            self._ticking = asyncio.create_task(self.clock.work(), name="clock")
            self._started = True

    async def drain(self) -> None:
        """Take no more, bring what runs to a crash point, let the streams end; what is left waits for a next start."""
        if not self._started or self.draining:
            return
        self.draining = True
        self.streams.wake()
        await ended(self._ticking)
        if self._looking is not None:
            await ended(self._looking)
        closing = asyncio.create_task(self._local.aclose())
        await self.worker.drain()
        await closing

    async def stop(self) -> None:
        """Drain, and close what was opened."""
        if not self._started:
            return
        await self.drain()
        await self.webhooks.aclose(self._telling)
        await self.streams.aclose()
        for one in (self._saver, *self._memories.values()):
            await one.aclose()
        await self.store.aclose()
        if self.telemetry:
            await asyncio.to_thread(self.telemetry.flush)

    async def served(self, tenant: str, graph: str) -> Served:
        """What serves a graph of a tenant. Raises 404 for an unknown graph."""
        if graph not in self.graphs:
            raise faults.missing(f"Graph '{graph}' not found. Expected one of: {sorted(self.graphs)}")
        key = (tenant, graph)
        if key not in self._served:
            self._served[key] = await self._serve(tenant, graph, self.graphs[graph])
        return self._served[key]

    def saver(self, tenant: str) -> RedisSaver:
        """The checkpoints of a tenant; all tenants share the connections."""
        if tenant not in self._savers:
            self._savers[tenant] = self._saver.of(tenant)
        return self._savers[tenant]

    def memory(self, tenant: str) -> RedisStore:
        """The long-term store of a tenant."""
        if tenant not in self._memories:
            self._memories[tenant] = RedisStore.from_url(self._url or Settings().store, tenant=tenant)
        return self._memories[tenant]

    async def _serve(self, tenant: str, name: str, made: Any) -> Served:
        if isinstance(made, Agent):
            heard = (*made.listeners, self.metrics.agent, *([self.telemetry.agent(name)] if self.telemetry else ()))
            return ServedAgent(name, made.but(store=self.store, tenant=tenant, listeners=heard))
        saver, store, maker = self.saver(tenant), self.memory(tenant), Maker(made)
        async with maker.reading(store) as graph:
            parts = {"checkpointer": saver, "store": store, "name": name}
            return ServedGraph(name, graph.copy(update=parts), saver, maker)
