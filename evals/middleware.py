"""Growth of the prompt and the bill of LangChain's `create_agent`: bare, with its own summaries and edits, with ours.

    python -m satchel.evals.middleware --suite repair-large --limit 8000

The same scripted policy plays the same task in each row. The summariser is scripted, too: it quotes the end of what it
is given. So its row shows growth and bill; its success shows only what a summary that keeps little costs.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware, SummarizationMiddleware
from langgraph.errors import GraphRecursionError

from satchel.evals.chat import PolicyChat, Sent, as_langchain
from satchel.evals.suite import suite as suite_named
from satchel.runtime.context import tokens
from satchel.runtime.middleware import SatchelMiddleware
from satchel.runtime.models import Answer
from satchel.runtime.prices import Price, bill_prompt, row

if TYPE_CHECKING:
    from satchel.evals.case import Case
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

SUMMARY = 400
"""Tokens of a scripted summary."""

KEEP = 10
"""Messages that the summariser leaves as they are."""

AT = (10, 20, 40)
"""Model calls at which the size of the prompt is told."""

Wrap = Callable[[int, PolicyChat], list[Any]]

ROWS: dict[str, Wrap] = {
    "bare": lambda _limit, _chat: [],
    "summarise": lambda limit, chat: [
        SummarizationMiddleware(chat, trigger=("tokens", limit), keep=("messages", KEEP), trim_tokens_to_summarize=None)
    ],
    "clear": lambda limit, _chat: [ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=limit, keep=3)])],
    "satchel": lambda limit, _chat: [SatchelMiddleware(context_limit=f"+{limit}")],
}
"""What stands between the agent and its model, by name, given a limit in tokens and a summariser."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its score, its calls, and those of the summariser; tokens by our count."""

    name: str
    success: float
    calls: Sequence[Sent]
    summaries: Sequence[Sent]

    @property
    def tokens(self) -> int:
        """Input tokens of all calls."""
        return sum(sent.size for sent in (*self.calls, *self.summaries))

    @property
    def cached(self) -> int:
        """Tokens that stood in the prompt before."""
        return sum(sent.cached for sent in (*self.calls, *self.summaries))

    @property
    def peak(self) -> int:
        """The largest prompt of the agent."""
        return max((sent.size for sent in self.calls), default=0)

    def usd(self, price: Price) -> float:
        """The bill, summaries included, in the unit of the price."""
        every = (*self.calls, *self.summaries)
        return sum(bill_prompt(sent.cached, sent.rest, price, output=sent.output) or 0.0 for sent in every)

    def at(self, call: int) -> int | None:
        """Tokens of the prompt of a model call, from 1."""
        return self.calls[call - 1].size if len(self.calls) >= call else None


def quote(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:  # noqa: ARG001 - the shape of a policy
    """The policy of the scripted summariser: the end of what it was given."""
    return Answer(tokens.decode(tokens.encode(messages[-1].content)[-SUMMARY:]))


def play(case: Case, name: str, limit: int) -> Run:
    """Run a case once, behind the row of this name."""
    chat, summariser = PolicyChat.of(case.policies["expert"]), PolicyChat.of(quote)
    tools = [as_langchain(tool) for tool in case.tools]
    agent = create_agent(chat, tools, system_prompt=case.instructions, middleware=ROWS[name](limit, summariser))
    said: str | None = None
    try:
        message = {"role": "user", "content": case.task, "id": case.id}
        result = agent.invoke({"messages": [message]}, {"recursion_limit": 6 * case.steps})
        said = str(result["messages"][-1].text)
    except GraphRecursionError:
        pass  # a policy that lost its way: the score tells
    return Run(name, case.score(said or ""), chat.tape.calls, summariser.tape.calls)


def table(runs: Sequence[Run], price: Price) -> str:
    """The runs as a Markdown table, dollars against the first."""
    base = runs[0].usd(price)
    head = ["", "score", "calls", "summaries", "tokens", "cached", *(f"prompt {n}" for n in AT), "peak", price.name]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for run in runs:
        sizes = [f"{size:,}" if (size := run.at(n)) is not None else "-" for n in AT]
        lines.append([
            run.name, f"{run.success:.2f}", str(len(run.calls)), str(len(run.summaries)), f"{run.tokens:,}",
            f"{run.cached:,}", *sizes, f"{run.peak:,}", f"{run.usd(price) / base:.3f}",
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m satchel.evals.middleware", description=__doc__)
    parser.add_argument("--suite", default="repair-large")
    parser.add_argument("--limit", type=int, default=8_000, help="tokens beyond system text and tool schemas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prices", default="c=.10,w=1.25")
    given = parser.parse_args(arguments)
    found, price = suite_named(given.suite), row(given.prices)
    draw = found.draw(0, given.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = [play(found.make(draw), name, given.limit) for name in ROWS]
    sys.stdout.write(table(runs, price) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
