"""Graphs that a function makes: for each run, with its config and who runs it, and for what only reads."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from langgraph_sdk.runtime import ServerRuntime  # noqa: TC002 - the service reads the annotation

from satchel.memory.errors import ConfigError
from satchel.runtime.service.factories import Maker
from tests.service.door import behind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langchain_core.runnables import RunnableConfig


@dataclass
class Style:
    """The context of a run."""

    tone: str = "plain"


def says(word: str) -> Any:
    """A graph that says a word."""

    def node(_: MessagesState) -> dict[str, Any]:
        return {"messages": [{"role": "assistant", "content": word}]}

    made: Any = StateGraph(MessagesState, context_schema=Style)
    return made.add_node("node", node).add_edge(START, "node")


def bare() -> Any:
    return says("bare")


async def of_config(config: RunnableConfig) -> Any:
    return says(str(config["configurable"].get("tone"))).compile()


@asynccontextmanager
async def of_both(config: RunnableConfig, server: ServerRuntime[Style]) -> AsyncIterator[Any]:
    running = server.execution_runtime
    who = server.user.identity if server.user else "nobody"
    yield says(f"{config['configurable']['graph_id']} {running.context.tone} {who}" if running else "reading")
    LEFT.append(server.access_context)


LEFT: list[str] = []
"""In which contexts a graph was made and given back."""

FACTORIES = {"bare": bare, "of_config": of_config, "of_both": of_both}


async def who(token: str) -> str | None:
    return token


@pytest.mark.parametrize(("name", "said"), [("bare", "bare"), ("of_config", "loud"), ("of_both", "of_both warm ada")])
async def test_a_function_makes_the_graph_of_each_run(name: str, said: str) -> None:
    LEFT.clear()
    asked = {
        "assistant_id": name,
        "input": {"messages": []},
        **({"context": {"tone": "warm"}} if name == "of_both" else {"config": {"configurable": {"tone": "loud"}}}),
    }
    async with behind(who, FACTORIES) as client:
        client.headers["x-api-key"] = "ada"
        for _ in range(2):
            answer = (await client.post("/runs/wait", json=asked)).json()
            assert "messages" in answer, answer
            assert answer["messages"][-1]["content"] == said
        drawn = (await client.get(f"/assistants/{name}/graph")).json()
        assert "node" in [node["id"] for node in drawn["nodes"]]
    if name == "of_both":
        assert LEFT == ["assistants.read", "threads.create_run", "threads.create_run"]


async def test_a_function_that_makes_no_graph_or_asks_for_more_is_refused() -> None:
    with pytest.raises(ConfigError, match="it may take a config and a runtime"):
        Maker(lambda a, b: says(f"{a}{b}"))
    with pytest.raises(ConfigError, match="neither an Agent nor a LangGraph graph"):
        async with Maker(lambda: "no graph").reading(None):  # type: ignore[arg-type]  # it is not reached
            pass
