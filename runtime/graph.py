"""The LangGraph graph of an agent: a node only where a crash must not lose work, the model call and each tool call.

    start -> model -> one `tool` task for each call -> model -> ... -> end

Nodes hold no state of their own. They ask the session, whose log answers what was done already.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.channels import UntrackedValue
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime  # noqa: TC002 - LangGraph reads the nodes' annotations
from langgraph.types import Send

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from satchel.runtime.hearing import Hearing
    from satchel.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Held:
    """The session that a run holds, and who hears its events, handed to the graph as its context."""

    session: Session | None = None
    hearing: Hearing | None = None


def _held(runtime: Runtime[Held]) -> Session | None:
    context: Held | None = runtime.context
    return context.session if context else None


def _thread(runtime: Runtime[Held]) -> str:
    thread = runtime.execution_info.thread_id if runtime.execution_info else None
    if thread is None:
        raise ConfigError('the graph needs a thread: pass config={"configurable": {"thread_id": "..."}}')
    return thread


def _later(old: int, new: int) -> int:
    return max(old, new)


class Input(TypedDict, total=False):
    """What the graph takes when it is used alone: the user's words."""

    task: Annotated[str, UntrackedValue]


class State(Input, total=False):
    """What the graph keeps: how far the log has come, and how the run ended."""

    position: Annotated[int, _later]
    output: str | None
    outcome: str | None


class Waiting(TypedDict):
    """The position of a call that waits for its result."""

    seq: int


Adopt = Callable[[str, str | None], Awaitable["Session"]]
"""From a thread's name and the user's words to its session, opened if need be."""

Release = Callable[["Session"], Awaitable[None]]


def build(
    adopt: Adopt, release: Release, saver: BaseCheckpointSaver[str]
) -> CompiledStateGraph[State, Held, Input, State]:
    """Compile the graph. `adopt` and `release` serve runs that bring no session of their own."""
    session = partial(_session, adopt, release)

    async def begin(state: State, runtime: Runtime[Held]) -> str | list[Send]:
        async with session(runtime, state.get("task")) as at:
            return "model" if at.finished else route(at)  # the model's node tells how the run has ended

    async def model(state: State, runtime: Runtime[Held]) -> dict[str, Any]:  # noqa: ARG001 - the log is the state
        async with session(runtime) as at:
            if not at.finished:
                await at.model()
            if not at.finished:
                return {"position": at.log.length, "output": None, "outcome": None}
            result = at.result()
        if _held(runtime) is None:
            await release(at)
        return {"position": at.log.length, "output": result.output, "outcome": result.outcome}

    async def tool(state: Waiting, runtime: Runtime[Held]) -> dict[str, int]:
        async with session(runtime) as at:
            await at.call(state["seq"])
            return {"position": at.log.length}

    async def after(state: State, runtime: Runtime[Held]) -> str | list[Send]:
        if state.get("outcome"):
            return END
        async with session(runtime) as at:
            return route(at)

    graph = StateGraph(State, context_schema=Held, input_schema=Input)
    graph.add_node("model", model)
    graph.add_node("tool", tool)
    graph.add_conditional_edges(START, begin, ["model", "tool", END])
    graph.add_conditional_edges("model", after, ["tool", "model", END])
    graph.add_edge("tool", "model")
    return graph.compile(checkpointer=saver, name="satchel")


@asynccontextmanager
async def _session(
    adopt: Adopt, release: Release, runtime: Runtime[Held], task: str | None = None
) -> AsyncIterator[Session]:
    """The run's session, or the thread's own one, which is given back if the node fails or is cancelled."""
    held = _held(runtime)
    found = held or await adopt(_thread(runtime), task)
    context: Held | None = runtime.context
    hearing = context.hearing if context else None
    found.emit = hearing.before(runtime.stream_writer) if hearing else runtime.stream_writer
    try:
        yield found
    except BaseException:
        if not held:
            await asyncio.shield(release(found))
        raise


def route(session: Session) -> str | list[Send]:
    """Where a thread goes on: to its pending calls, each a task of its own, else to the model, else to the end."""
    if session.finished:
        return END
    return [Send("tool", {"seq": seq}) for seq in session.next()] or "model"
