"""The LangGraph graph of an agent: a node only where a crash must not lose work, the model call and each tool call.

    start -> model -> one `tool` task for each call -> model -> ... -> end

Nodes hold no state of their own. They ask the session, whose log answers what was done already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangGraph reads the nodes' annotations
from langgraph.channels import UntrackedValue
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime  # noqa: TC002 - as above
from langgraph.types import Send

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from satchel.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Held:
    """The session that a run holds, handed to the graph as its context."""

    session: Session | None = None


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


Adopt = Callable[[str, str | None], Awaitable["Session"]]
"""From a thread's name and the user's words to its session, opened if need be."""

Release = Callable[["Session"], Awaitable[None]]


def build(
    adopt: Adopt, release: Release, saver: BaseCheckpointSaver[str]
) -> CompiledStateGraph[State, Held, Input, State]:
    """Compile the graph. `adopt` and `release` serve runs that bring no session of their own."""

    async def session(runtime: Runtime[Held], config: RunnableConfig, task: str | None = None) -> Session:
        held = runtime.context.session if runtime.context else None
        found = held or await adopt(str(config["configurable"]["thread_id"]), task)
        found.emit = runtime.stream_writer
        return found

    async def begin(state: State, config: RunnableConfig, runtime: Runtime[Held]) -> str | list[Send]:
        return route(await session(runtime, config, state.get("task")))

    async def model(state: State, config: RunnableConfig, runtime: Runtime[Held]) -> dict[str, Any]:  # noqa: ARG001 - the log is the state
        at = await session(runtime, config)
        await at.model()
        if not at.finished:
            return {"position": at.log.length}
        result = at.result()
        if not (runtime.context and runtime.context.session):
            await release(at)
        return {"position": at.log.length, "output": result.output, "outcome": result.outcome}

    async def tool(state: dict[str, int], config: RunnableConfig, runtime: Runtime[Held]) -> dict[str, int]:
        at = await session(runtime, config)
        await at.call(state["seq"])
        return {"position": at.log.length}

    async def after(state: State, config: RunnableConfig, runtime: Runtime[Held]) -> str | list[Send]:
        if state.get("outcome"):
            return END
        return route(await session(runtime, config))

    graph = StateGraph(State, context_schema=Held, input_schema=Input)
    graph.add_node("model", model)
    graph.add_node("tool", tool)
    graph.add_conditional_edges(START, begin, ["model", "tool", END])
    graph.add_conditional_edges("model", after, ["tool", "model", END])
    graph.add_edge("tool", "model")
    return graph.compile(checkpointer=saver, name="satchel")


def route(session: Session) -> str | list[Send]:
    """Where a thread goes on: to its pending calls, each a task of its own, else to the model, else to the end."""
    if session.finished:
        return END
    return [Send("tool", {"seq": seq}) for seq in session.next()] or "model"
