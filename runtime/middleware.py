"""The context engine and the budgets for agents that LangChain's `create_agent` or deepagents built.

The graph keeps its messages whole, in its own state; only what the model is sent changes. The state is the vault, too:
a handle in a prompt leads to a text among the graph's messages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    PrivateStateAttr,
)
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Command

from satchel.memory.errors import BudgetExceeded, ConfigError, UnknownHandle
from satchel.prompts import render
from satchel.runtime.attempts import used_up
from satchel.runtime.budget import Budget, left
from satchel.runtime.context import recall
from satchel.runtime.context.context import Overflow
from satchel.runtime.conversation import Setting
from satchel.runtime.gate import Gate, Standing
from satchel.runtime.ledger import Ledger
from satchel.runtime.mode import Mode
from satchel.runtime.mode import mode as mode_named
from satchel.runtime.prices import bill
from satchel.runtime.prices_known import look_up
from satchel.runtime.shelf_langchain import Asked, Shelf, Surface
from satchel.runtime.spec import Spec, folds_by, limit
from satchel.runtime.transcript_langchain import KEY, answer, calls_of, stamped

if TYPE_CHECKING:
    from langgraph.prebuilt.tool_node import ToolCallRequest

    from satchel.memory.records import Json


class SatchelState(AgentState[Any]):
    """What the middleware keeps in the graph's state: the ledger of the run, hidden from input and output."""

    satchel: NotRequired[Annotated[dict[str, Any], PrivateStateAttr]]


class SatchelMiddleware(AgentMiddleware[SatchelState, Any, Any]):
    """Satchel's context engine and budgets as a middleware of `create_agent` and `create_deep_agent`.

    Args:
        context_limit: the most tokens a prompt and its reply may have, everything counted; `"+N"` is N beyond the
            system text and tool schemas.
        mode: `stateful`, `stateless`, or another row of `satchel.runtime.mode`.
        reply_tokens: tokens of the limit reserved for the reply.
        budget: limits of each run (one `invoke` of the graph, with its resumes); none unless given. `seconds` is not
            among them: LangGraph has timeouts of its own.
        on_budget: `answer` (one reserved last call without tools), or `raise` `BudgetExceeded`.
        name: under which the graph knows it; with `"SummarizationMiddleware"` it takes the place of the summariser that
            `create_deep_agent` brings.

    The last message of a run says how it ended, in `response_metadata["satchel"]`: `outcome`, and the run's `usage` so
    far. Place it last in the list, so that retries of other middlewares are counted. Raises `ConfigError` for a wrong
    value, at the first call also for a dollar budget without a price, and `PromptTooLarge` if system text and tool
    schemas leave no room.
    """

    state_schema = SatchelState

    def __init__(
        self,
        *,
        context_limit: int | str,
        mode: str | Mode = "stateful",
        reply_tokens: int = 1_024,
        budget: Budget | None = None,
        on_budget: Literal["answer", "raise"] = "answer",
        name: str = "SatchelMiddleware",
    ) -> None:
        super().__init__()
        self._mode = mode_named(mode)
        self._limit = context_limit
        limit(context_limit, 0)  # refuses what is no limit
        if type(reply_tokens) is not int or reply_tokens < 1:
            raise ConfigError(f"reply_tokens={reply_tokens!r} must be a whole number of tokens above zero")
        if on_budget not in ("answer", "raise"):
            raise ConfigError(f"on_budget={on_budget!r} is none of answer, raise")
        self._reply_tokens = reply_tokens
        self._budget = budget or Budget()
        if self._budget.seconds is not None:
            raise ConfigError("a middleware keeps no budget of seconds; set the graph's step_timeout")
        self._on_budget = on_budget
        self._name = name
        self._shelf = Shelf()

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return self._name

    # ------------------------------------------------------------------ hooks of the graph

    def before_agent(self, state: SatchelState, runtime: Any) -> dict[str, Any]:  # noqa: ARG002 - the hook's shape
        """A run begins: nothing is spent yet."""
        return {KEY: {}}

    async def abefore_agent(self, state: SatchelState, runtime: Any) -> dict[str, Any]:
        """A run begins: nothing is spent yet."""
        return self.before_agent(state, runtime)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        """Ask the model with the engine's prompt in place of the messages."""
        asked = self._ask(request)
        if not isinstance(asked, Asked):
            return asked
        with asked.held.counted():
            response = handler(asked.request)
        return self._answered(asked, response)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ExtendedModelResponse[Any]:
        """Ask the model with the engine's prompt in place of the messages."""
        asked = self._ask(request)
        if not isinstance(asked, Asked):
            return asked
        with asked.held.counted():
            response = await handler(asked.request)
        return self._answered(asked, response)

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        """Answer `recall` and refused calls; let all others run."""
        return self._own_answer(request) or handler(request)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        """Answer `recall` and refused calls; let all others run."""
        return self._own_answer(request) or await handler(request)

    # ------------------------------------------------------------------ the model's turn

    def _ask(self, request: ModelRequest[Any]) -> Asked | ExtendedModelResponse[Any]:
        surface = self._shelf.surface(request)
        spec = self._spec(surface)
        rates = spec.rates
        setting = Setting(
            mode=self._mode.name, ceiling=spec.ceiling, reply_tokens=self._reply_tokens, surface=surface.rounded,
            model=surface.model.name, exact=surface.model.exact, c=rates.c, w=rates.w,
        )  # fmt: skip
        with self._shelf.held(setting, request.messages) as held:
            ledger = Ledger.of(request.state.get(KEY), held.failed)
            talk = held.conversation
            standing = Standing(
                self._budget, ledger.spent, ledger.spent.steps, talk.estimate(), talk.growth, talk.factor,
                bool(request.tools), next(iter(ledger.refused.values()), None),
            )  # fmt: skip
            verdict = Gate(spec).model(standing, seconds=0.0)
            stop = verdict.stop
            if stop and self._on_budget == "raise":
                raise BudgetExceeded(f"the run stopped: {used_up(stop)}", request.messages)
            if stop and not verdict.ceiling:
                return self._ended(stop, used_up(stop), request, ledger)
            try:
                prompt = held.prompt(
                    request.messages,
                    ceiling=verdict.ceiling if verdict.ceiling < spec.ceiling else None,
                    state=render("final_answer") if stop else left(self._budget, ledger.spent),
                    final=stop is not None,
                )
            except Overflow as error:
                return self._ended(stop or "context", f"the prompt cannot be made to fit: {error}", request, ledger)
        ledger = replace(ledger, setting=setting.to_json(), texts=talk.number)
        changed = surface.request(request, prompt, self._reply_tokens, final=stop is not None)
        return Asked(changed, held, prompt, surface, ledger, standing, verdict)

    def _spec(self, surface: Surface) -> Spec:
        """The agent as a value, for the gate; its tools are the graph's."""
        model = surface.model
        price = look_up(model.name)
        rates = folds_by(price, model.name, self._budget)
        return Spec(
            model=model, tools={}, system=(), mode=self._mode, context_limit=limit(self._limit, surface.rounded),
            reply_tokens=self._reply_tokens, budget=self._budget, on_budget="answer", price=price, rates=rates,
        )  # fmt: skip

    def _answered(self, asked: Asked, response: ModelResponse[Any]) -> ExtendedModelResponse[Any]:
        """Account for a reply, and tell which of its calls may run."""
        reply = next(message for message in response.result if isinstance(message, AIMessage))
        stop, spec = asked.verdict.stop, self._spec(asked.surface)
        if stop and asked.request.response_format is None and (reply.tool_calls or reply.invalid_tool_calls):
            reply = AIMessage(str(reply.text), id=reply.id, usage_metadata=reply.usage_metadata)
        usage = asked.surface.model.usage(reply, asked.prompt.messages, asked.surface.schemas)
        usd = bill(usage, spec.price) if spec.price and spec.price.unit == "usd" else None
        done = {message.tool_call_id for message in response.result if isinstance(message, ToolMessage)}
        calls = [call for call in calls_of(reply) if call.id not in done]
        records = Gate(spec).calls(asked.standing, calls)
        ledger = asked.ledger.replied(replace(usage, model_calls=1, tool_calls=0, usd=usd), records)
        ended = stop or (None if calls or (done and response.structured_response is None) else "done")
        size = asked.prompt.size + asked.surface.tokens
        ceiling = asked.verdict.ceiling if asked.verdict.ceiling < spec.ceiling else None
        stamp = {
            "model": spec.model.name, "counted": size, "input": usage.input, "ceiling": ceiling, "outcome": ended,
            "usage": ledger.to_json()["usage"],
        }  # fmt: skip
        kept = stamped(reply, stamp)
        result = [kept if message.type == "ai" else message for message in response.result]
        return ExtendedModelResponse(replace(response, result=result), Command(update={KEY: ledger.to_json()}))

    def _ended(
        self, outcome: str, detail: str, request: ModelRequest[Any], ledger: Ledger
    ) -> ExtendedModelResponse[Any]:
        """The end of a run that cannot ask the model again: what it said last, or why it ended."""
        said = (str(m.text) for m in reversed(request.messages) if isinstance(m, AIMessage) and str(m.text).strip())
        stamp: Json = {"outcome": outcome, "detail": detail, "usage": ledger.to_json()["usage"]}
        reply = stamped(AIMessage(next(said, detail)), stamp)
        return ExtendedModelResponse(ModelResponse([reply]), Command(update={KEY: ledger.to_json()}))

    # ------------------------------------------------------------------ calls that the graph's tools do not answer

    def _own_answer(self, request: ToolCallRequest) -> ToolMessage | None:
        call = request.tool_call
        ledger = Ledger.of(request.state.get(KEY))
        if budget := ledger.refused.get(call["id"] or ""):
            return answer(call, render("refused", name=call["name"], budget=budget), error=True)
        if call["name"] != recall.NAME or request.tool is not None:
            return None
        try:
            given = recall.arguments(call["args"])
            ref, messages = given.pop("ref"), request.state["messages"]
            if not ref and (given["query"] or given["regex"]):
                stored = self._shelf.stored(ledger, messages)
                return answer(call, recall.search(stored, query=given["query"], regex=given["regex"]))
            text = self._shelf.text(ledger, messages, ref or "")
        except UnknownHandle as error:
            return answer(call, str(error), error=True)
        return answer(call, recall.select(text, **given))
