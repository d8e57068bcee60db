"""A graph of LangChain's or deepagents' that plays a case, heard as an agent of ours is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from langchain_core.exceptions import ContextOverflowError
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver

from satchel.evals.chat import ModelChat
from satchel.evals.frameworks import Framework, Parts
from satchel.memory.records import Usage
from satchel.runtime.context.context import fixed
from satchel.runtime.events import PromptSent, ReplyReceived, RunEnded, RunResult, RunState, ToolFinished, ToolStarted
from satchel.runtime.spec import limit

if TYPE_CHECKING:
    from satchel.evals.case import Case
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message
    from satchel.runtime.events import Event
    from satchel.runtime.models import Answer, Model
    from satchel.runtime.tools import Tool

STEPS = 10**6
"""Supersteps that LangGraph allows; a case has budgets of its own."""


class _Stopped(Exception):
    """A run came to the end of a budget."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class _Seen(Exception):
    """The first prompt of an agent, which is not answered."""

    def __init__(self, messages: Sequence[Message], tools: Sequence[Json]) -> None:
        super().__init__("seen")
        self.tokens = fixed([message for message in messages if message.role == "system"], tools)


class _Looking:
    """A model that only looks at a prompt."""

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:  # noqa: ARG002 - the shape of a model
        """No answer."""
        raise _Seen(messages, tools)


@dataclass(slots=True)
class _Run:
    """One run: what it may still spend and has spent; each prompt, reply and tool call is heard."""

    hear: Callable[[Event], None]
    steps: int
    tool_calls: int
    known: frozenset[str]
    spent: Usage = field(default_factory=Usage)
    folds: int = 0
    _sent: int = 0
    _before: Sequence[Message] = ()

    async def ask(self, model: Model, messages: Sequence[Message], tools: Sequence[Json], reply_tokens: int) -> Answer:
        """Ask the model. A prompt that no longer begins with the one before it counts as a fold; summaries do not."""
        if self._sent >= self.steps:
            raise _Stopped("steps")
        folded = bool(tools) and not _begins(messages, self._before)
        self._before = messages if tools else self._before
        self.folds += folded
        self.hear(PromptSent(self._sent, 0, folded))
        answer = await model.call(messages, tools, reply_tokens=reply_tokens)
        used = answer.usage or Usage()
        self.spent += used
        self.hear(ReplyReceived(self._sent, answer.text, len(answer.calls), used))
        self._sent += 1
        for call in answer.calls:
            if call.name not in self.known:  # a tool that the library brought answers without us
                self._start(call.name, call.args)
        return answer

    async def use(self, tool: Tool, given: dict[str, Any]) -> str:
        """Call a tool of the case."""
        call = self._start(tool.name, given)
        output = await tool.invoke(given, key="")
        self.hear(ToolFinished(call, tool.name, output.text, output.error))
        return output.text

    def _start(self, name: str, given: Json) -> str:
        if self.spent.tool_calls >= self.tool_calls:
            raise _Stopped("tool_calls")
        self.spent = replace(self.spent, tool_calls=self.spent.tool_calls + 1)
        call = f"{self._sent}.{self.spent.tool_calls}"
        self.hear(ToolStarted(call, name, given))
        return call

    def end(self, output: str | None, outcome: str, thread: str) -> None:
        """The run is over."""
        state = RunState(
            position=0, steps=self._sent, per_tool={}, folds=self.folds, prompt_tokens=0, peak_tokens=0, digest=""
        )
        self.hear(RunEnded(RunResult(output, outcome, self.spent, thread, state)))


def _begins(messages: Sequence[Message], before: Sequence[Message]) -> bool:
    pairs = zip(before, messages, strict=False)
    return len(messages) >= len(before) and all(a.role == b.role and a.content == b.content for a, b in pairs)


class GraphRun:
    """An agent of another library that plays one case. Its conversation is kept in this process, not in a store."""

    def __init__(self, row: Framework, case: Case, model: Model) -> None:
        self._row, self._case, self._model = row, case, model
        self._run: _Run | None = None
        self._graph: Any = None
        self._folds = self._said = 0
        self.ceiling = 0

    @classmethod
    async def of(cls, row: Framework, case: Case, model: Model, context_limit: str) -> GraphRun:
        """The agent with this context limit; its fixed surface is that of its first prompt."""
        made = cls(row, case, model)
        surface = await made._surface(limit(context_limit, 0))
        made.ceiling = limit(context_limit, surface)
        profile = {"max_input_tokens": made.ceiling}
        chat = ModelChat.asking(made, profile=profile)
        made._graph = made._built(chat, max(1, made.ceiling - surface), InMemorySaver())
        return made

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """Answer for the chat model of the graph."""
        assert self._run  # noqa: S101 - nothing asks outside a run
        return await self._run.ask(self._model, messages, tools, reply_tokens)

    async def say(self, words: str, hear: Callable[[Event], None]) -> None:
        """One run of the graph on its one thread, within the budgets of the case."""
        known = frozenset(tool.name for tool in self._case.tools)
        self._run = run = _Run(hear, self._case.steps, self._case.tool_calls, known, folds=self._folds)
        output, outcome = None, "done"
        try:
            output = await self._invoke(self._graph, words)
        except _Stopped as stopped:
            outcome = stopped.outcome
        except ContextOverflowError:
            outcome = "context"
        self._folds = run.folds
        run.end(output, outcome, self._case.id)

    def _built(self, chat: ModelChat, room: int, checkpointer: Any) -> Any:
        tools = [self._tool(tool) for tool in self._case.tools]
        return self._row.build(
            Parts(
                chat=chat, tools=tools, instructions=self._case.instructions, room=room, name=self._case.id,
                checkpointer=checkpointer,
            )
        )  # fmt: skip

    async def _surface(self, room: int) -> int:
        """Tokens of the system text and tool schemas."""
        try:
            await self._invoke(self._built(ModelChat.asking(_Looking()), room, InMemorySaver()), self._case.task)
        except _Seen as seen:
            return seen.tokens
        raise AssertionError("an agent ended without asking its model")

    async def _invoke(self, graph: Any, words: str) -> str:
        """The last words of a run. Calls of one turn run one after the other, so that a rerun is the same."""
        self._said += 1  # an id of its own, since else one is drawn at random, from which handles are made
        given = {"messages": [{"role": "user", "content": words, "id": f"{self._case.id}-{self._said}"}]}
        config = {"configurable": {"thread_id": self._case.id}, "recursion_limit": STEPS, "max_concurrency": 1}
        result = await graph.ainvoke(given, config, durability="exit")
        return str(result["messages"][-1].text)

    def _tool(self, tool: Tool) -> StructuredTool:
        async def call(**given: Any) -> str:
            assert self._run  # noqa: S101 - nothing calls outside a run
            return await self._run.use(tool, given)

        return StructuredTool.from_function(
            coroutine=call, name=tool.name, description=tool.description or tool.name,
            args_schema=tool.arguments.schema,
        )  # fmt: skip
