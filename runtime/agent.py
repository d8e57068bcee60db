"""The agent: a model, tools, a mode and a budget, run on threads that a store keeps."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self

from satchel.memory.errors import BudgetExceeded, ConfigError, ThreadNotFound
from satchel.memory.handles import salt_for
from satchel.memory.store import Store, ThreadId
from satchel.runtime.budget import LIMITS, Budget
from satchel.runtime.events import Event, Opening, RunEnded, RunResult
from satchel.runtime.hearing import Hearing
from satchel.runtime.mode import Mode
from satchel.runtime.models import resolve
from satchel.runtime.session import Session
from satchel.runtime.spec import OnBudget, make
from satchel.runtime.stores import Stores
from satchel.runtime.waiting import Waiting

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

STEPS = 10**8
"""LangGraph's own limit, set above any budget: ours fire first."""

Start = Callable[[Session], Awaitable[None]]


class Agent(Waiting):
    """An agent.

    Args:
        model: a LangChain `BaseChatModel`, a `provider:model` string, or a satchel `Model`.
        tools: typed functions, `@tool`s, LangChain tools.
        instructions: the system text, the same in every prompt.
        mode: `stateful`, `stateless`, an ablation's name, or a `Mode`.
        context_limit: the most tokens a prompt and its reply may have, everything counted (a mode that sends the whole
            transcript has the model's window instead); `"+N"` is N beyond the system text and tool schemas.
        reply_tokens: tokens of it reserved for the reply.
        fold: `auto` folds older turns when the prices say that it pays, N after every N turns; neither later than the
            ceiling demands. Modes without a digest never fold.
        note: gives the model the tool `note`, once something was folded or previewed, by which facts, decisions, what
            is done and to do, open questions and failed attempts stay in the prompt, whatever is folded.
        brief_tools: shows tools by name, first sentence and types of arguments; the first call of each is answered by
            its whole description and not run.
        summarizer: a model as above that adds prose to the digest at each fold; its calls count in every budget.
        budget: limits of each run; 40 steps unless another is given.
        on_budget: `answer` (one reserved last call without tools), `pause`, or `raise`.
        price: the price row that times folds and counts dollars, `c=.10,w=1.25` or a model's name; None takes the
            model's own, and without one `c=.10,w=1.25` for folds alone.
        store: None for the embedded server (or SATCHEL_STORE, REDIS_URL), a URL, or an open `Store`.
        tenant: whose threads these are.
        expire: seconds after its last commit that a thread is removed; None leaves it as it is, by default for ever.
        seed: derives the handles of new threads from their names, so that reruns are identical; for evals.
        listeners: each makes what hears the events of one drive of a run, as `Telemetry().agent()` does.

    Raises `ConfigError` for a wrong name or value, and `PromptTooLarge` if the system text and tool schemas alone do
    not fit under the ceiling.
    """

    def __init__(
        self,
        model: object,
        tools: Iterable[object] = (),
        *,
        instructions: str = "",
        mode: str | Mode = "stateful",
        context_limit: int | str = 8_000,
        reply_tokens: int = 1_024,
        fold: int | str = "auto",
        note: bool = False,
        summarizer: object = None,
        brief_tools: bool = False,
        budget: Budget | None = None,
        on_budget: OnBudget = "answer",
        price: str | None = None,
        store: str | Store | None = None,
        tenant: str = "default",
        expire: float | None = None,
        seed: int | None = None,
        listeners: Sequence[Opening] = (),
    ) -> None:
        self._stores = Stores(store)
        super().__init__(self._stores.aclose)
        shape: dict[str, Any] = {
            "instructions": instructions, "mode": mode, "context_limit": context_limit, "reply_tokens": reply_tokens,
            "budget": budget, "on_budget": on_budget, "price": price, "fold": fold, "note": note,
            "summarizer": summarizer, "brief_tools": brief_tools,
        }  # fmt: skip
        given = tuple(tools)
        if expire is not None and not expire > 0:
            raise ConfigError(f"expire={expire} leaves nothing to read; give seconds above 0, or None for ever")
        place = {"store": store, "tenant": tenant, "expire": expire, "seed": seed, "listeners": listeners}
        self._made = {"model": model, "tools": given, **place, **shape}
        self.spec = make(resolve(model), given, **shape)
        self._tenant = tenant
        self._expire = expire
        self._seed = seed
        self.listeners = tuple(listeners)
        self._adopted: dict[str, Session] = {}
        self._graph: CompiledStateGraph[Any, Any, Any, Any] | None = None

    def but(self, **changes: Any) -> Agent:
        """The same agent with other arguments."""
        return Agent(**{**self._made, **changes})

    # ------------------------------------------------------------------ asynchronous

    async def arun(self, task: str, *, thread: str | None = None) -> RunResult:
        """Give a thread a task and drive it to an outcome; a new thread if none is named."""
        return await _last(self.astream(task, thread=thread))

    async def aresume(self, thread: str, *, add_budget: Budget | None = None) -> RunResult:
        """Go on with a thread's last run after a crash, a pause, or a budget stop."""
        return await _last(self.astream_resume(thread, add_budget=add_budget))

    async def astream(self, task: str, *, thread: str | None = None) -> AsyncGenerator[Event]:
        """The events of `arun`, the last one `RunEnded`."""
        name = thread or f"t-{uuid.uuid4().hex[:12]}"
        async with aclosing(self._drive(name, lambda session: _begin(session, task))) as events:
            async for event in events:
                yield event

    async def astream_resume(self, thread: str, *, add_budget: Budget | None = None) -> AsyncGenerator[Event]:
        """The events of `aresume`."""
        if await (await self.store()).head(ThreadId(thread, self._tenant)) is None:
            raise ThreadNotFound(f"there is no thread {thread!r} to resume; `satchel threads ls` lists those there are")
        async with aclosing(self._drive(thread, lambda session: _resume(session, add_budget))) as events:
            async for event in events:
                yield event

    async def store(self) -> Store:
        """The agent's store, opened on first use in each event loop."""
        return await self._stores.get()

    async def aclose(self) -> None:
        """Close the store that the agent opened in this event loop."""
        await self._stores.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    # ------------------------------------------------------------------ the graph

    @property
    def graph(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The compiled LangGraph graph; takes `{"task": ...}` and a `thread_id`, for embedding and streaming."""
        if self._graph is None:
            from satchel.memory.cursor import CursorSaver  # noqa: PLC0415 - langgraph takes 0.7 s to import
            from satchel.runtime.graph import build  # noqa: PLC0415 - as above

            self._graph = build(self._adopt, self._release, CursorSaver(self.store, tenant=self._tenant))
        return self._graph

    async def _drive(self, name: str, start: Start) -> AsyncGenerator[Event]:
        session = await self._session(name)
        try:
            await start(session)
            async for event in self.events(session):
                yield event
            result = session.result()
            yield RunEnded(result)
        finally:
            await asyncio.shield(session.close())
        if result.outcome in LIMITS and self.spec.on_budget == "raise":
            raise BudgetExceeded(f"thread {name!r} stopped: {result.detail}", result)

    async def events(self, session: Session) -> AsyncGenerator[Event]:
        """Drive an open session to an outcome; whoever opened it closes its log."""
        from satchel.runtime.graph import Held  # noqa: PLC0415 - as above

        config = {"configurable": {"thread_id": session.log.thread.name}, "recursion_limit": STEPS}
        # the log is durable step by step; the cursor need only be written when the run comes to rest
        hearing = Hearing(self.listeners, session) if self.listeners else None
        events = self.graph.astream(
            {}, config, context=Held(session, hearing), stream_mode="custom", durability="exit"  # type: ignore[call-overload]  # a plain dict is a config
        )  # fmt: skip
        try:
            async for event in events:
                yield event
        finally:
            if hearing:
                hearing.end()

    async def _session(self, name: str) -> Session:
        thread = ThreadId(name, self._tenant)
        salt = None if self._seed is None else salt_for(thread, self._seed)
        session = await Session.open(self.spec, await self.store(), thread, salt=salt, emit=lambda _: None)
        try:
            if self._expire is not None:
                await session.log.store.keep(thread, self._expire)
        except BaseException:
            await session.log.close()
            raise
        return session

    async def _adopt(self, name: str, task: str | None) -> Session:
        """The session of a thread that is driven through the bare graph; opened by its first node."""
        if name not in self._adopted:
            session = await self._session(name)
            try:
                await (_resume(session, None) if task is None else _begin(session, task))
            except BaseException:
                await session.close()
                raise
            self._adopted[name] = session
        return self._adopted[name]

    async def _release(self, session: Session) -> None:
        self._adopted.pop(session.log.thread.name, None)
        await session.close()


async def _begin(session: Session, task: str) -> None:
    if session.finished:
        await session.begin(task)
    elif session.history.task == task:  # the same call again after a crash
        await session.resume(None)
    else:
        raise ConfigError(
            f"thread {session.log.thread.name!r} has an unfinished run; finish it with resume, or use another thread"
        )


async def _resume(session: Session, more: Budget | None) -> None:
    ended = session.history.ended
    settled = session.finished and (ended is None or ended.outcome == "done" or (ended.outcome in LIMITS and not more))
    if not settled:
        await session.resume(more)


async def _last(events: AsyncGenerator[Event]) -> RunResult:
    async for event in events:
        if isinstance(event, RunEnded):
            result = event.result
    return result
