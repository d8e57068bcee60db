"""What the test server serves: small graphs that can be held at a gate, and agents whose model is scripted."""

from __future__ import annotations

import asyncio
import operator
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangGraph reads the annotations of nodes
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime  # noqa: TC002 - LangGraph reads the annotations of nodes
from langgraph.stream.transformers import CustomTransformer, UpdatesTransformer
from langgraph.types import interrupt
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from satchel import Agent, Budget, tool
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.service.example import desk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

FOLDER = Path(os.environ.get("SERVED_IN", "."))
"""Where the gates and the list of effects are."""


class State(TypedDict, total=False):
    done: Annotated[list[str], operator.add]
    name: str
    gate: str
    fail: bool
    ask: bool
    answer: Any


def effect(what: str) -> None:
    """Note that something happened, in a file that outlives the process."""
    with (FOLDER / "effects").open("a") as file:
        file.write(what + "\n")


async def opened(gate: str) -> None:
    """Wait at a gate, a named pipe, until the test opens it."""
    await asyncio.get_running_loop().run_in_executor(None, (FOLDER / gate).read_text)


async def first(state: State) -> State:
    get_stream_writer()({"told": "first"})
    effect(f"first {state.get('name')}")
    return {"done": [f"first {state.get('name')}"]}


async def second(state: State) -> State:
    if state.get("gate"):
        get_stream_writer()({"at": state["gate"]})
        await opened(state["gate"])
    if state.get("fail"):
        raise ValueError("wrong on purpose")
    if state.get("ask"):
        return {"answer": interrupt({"question": "sure?"})}
    effect(f"second {state.get('name')}")
    return {"done": [f"second {state.get('name')}"], "gate": ""}


async def fails(state: MessagesState) -> MessagesState:  # noqa: ARG001 - the shape of a node
    effect("failed")
    raise ValueError("wrong on purpose")


failing = StateGraph(MessagesState).add_node(fails).add_edge(START, "fails").compile()

steps = (
    StateGraph(State).add_node(first).add_node(second).add_edge(START, "first").add_edge("first", "second").compile()
)


async def talk(state: MessagesState) -> MessagesState:
    model = GenericFakeChatModel(messages=iter([AIMessage("hello there my friend")]))
    return {"messages": [await model.ainvoke(state["messages"])]}


chat = StateGraph(MessagesState).add_node(talk).add_edge(START, "talk").compile()
outer = StateGraph(MessagesState).add_node("inner", chat).add_edge(START, "inner").compile()


async def ask(state: MessagesState) -> MessagesState:
    """Asks the caller for a tool, and says what it gave."""
    last = state["messages"][-1]
    if last.type == "tool":
        return {"messages": [AIMessage(f"it is {last.content}")]}
    return {"messages": [AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Ulm"}, "id": "w1"}])]}


asker = StateGraph(MessagesState).add_node(ask).add_edge(START, "ask").compile()


async def mark(state: State, config: RunnableConfig) -> State:  # noqa: ARG001 - the shape of a node
    effect(f"marked {config['metadata']['run_id']} {config['metadata']['run_attempt']}")
    return {"done": ["marked"]}


marks = StateGraph(State).add_node(mark).add_edge(START, "mark").compile()


@dataclass
class Told:
    who: str = "nobody"


async def tell(state: State, runtime: Runtime[Told]) -> State:  # noqa: ARG001 - the shape of a node
    return {"answer": runtime.context.who}


told = StateGraph(State, context_schema=Told).add_node(tell).add_edge(START, "tell").compile()


async def dictate(state: MessagesState) -> dict[str, Any]:  # noqa: ARG001 - the shape of a node
    get_stream_writer()({"at": "the beginning"})
    pieces: Any = await GenericFakeChatModel(messages=iter([AIMessage("one two")])).astream_events([], version="v3")
    said = [piece["delta"]["text"] async for piece in pieces if piece["event"] == "content-block-delta"]
    get_stream_writer()({"at": "the end"})
    return {"messages": [AIMessage("".join(said))]}


scribe = (
    StateGraph(MessagesState)
    .add_node(dictate)
    .add_edge(START, "dictate")
    .compile(transformers=[CustomTransformer, UpdatesTransformer])
)


class Forecaster(FakeMessagesListChatModel):
    """Asks for the weather, then tells it."""

    def bind_tools(self, *_: Any, **__: Any) -> Forecaster:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        asked = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Ulm"}, "id": "w1"}])
        said = AIMessage("it rains") if messages[-1].type == "tool" else asked
        return ChatResult(generations=[ChatGeneration(message=said)])


def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


forecast = create_agent(Forecaster(responses=[]), [weather])

TURNS = 30


@tool(effect="read")
async def look(page: int) -> str:
    """Read a page."""
    effect(f"look {page}")
    if (FOLDER / f"page{page}").exists():
        await opened(f"page{page}")
    return f"page {page}: " + "all is well. " * 120


def reader(messages: Sequence[Message], tools: Sequence[Any]) -> Answer:  # noqa: ARG001 - the shape of a policy
    """Reads a page each turn, then says how many."""
    seen = max((int(call.args["page"]) for m in messages for call in m.calls), default=0)
    folded = [
        int(line.split()[-1]) for m in messages for line in m.content.splitlines() if line.startswith("next page ")
    ]
    page = max([seen, *folded]) + 1
    if page >= TURNS:
        return Answer(f"read {page - 1} pages")
    return Answer("", (ToolCall(f"c{page}", "look", {"page": page}),))


book = Agent(Scripted(reader), [look], context_limit=60_000, budget=Budget(steps=60))
thrifty = Agent(Scripted(reader), [look], context_limit=60_000, budget=Budget(steps=3), on_budget="pause")
echo = Agent("sim:echo")

served = {
    "steps": steps, "chat": chat, "outer": outer, "told": told, "asker": asker, "failing": failing, "marks": marks,
    "scribe": scribe, "forecast": forecast, "book": book, "thrifty": thrifty, "echo": echo, "agent": desk,
}  # fmt: skip
