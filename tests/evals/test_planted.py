"""Planted engines: each cheats, or does nothing, in a way of its own, and the verdict says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial

import pytest

from satchel.evals.compare import Result, compare
from satchel.evals.conflicts import conflicts
from satchel.evals.suite import Suite
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message
from satchel.runtime.context.past import Keep
from satchel.runtime.mode import Mode


class Rewritten(Keep):
    """A strategy that shows the transcript as it likes, made anew for each prompt."""

    def messages(self) -> Sequence[Message]:
        return self.show(list(self._messages))

    def size(self) -> int:
        return sum(map(tokens.count_message, self.messages()))

    def show(self, messages: list[Message]) -> list[Message]:
        return messages


class Tasker(Rewritten):
    """Drops the task."""

    def show(self, messages: list[Message]) -> list[Message]:
        return [replace(messages[0], content="Go on."), *messages[1:]]


class Rewriter(Rewritten):
    """Leaves out the prose of results, and changes the first line each time, so that nothing is cached."""

    def show(self, messages: list[Message]) -> list[Message]:
        told = [replace(m, content=m.content.split("\n")[0]) if m.role == "tool" else m for m in messages]
        return [replace(told[0], content=f"Message {len(told)}. {told[0].content}"), *told[1:]]


class Quitter(Rewritten):
    """Gives up after some messages: cheap, since it never gets to the work."""

    def size(self) -> int:
        return super().size() if len(self._messages) < 12 else 10**9


class Bag(Rewritten):
    """Keeps each word of the past once, sorted, without what it said."""

    def show(self, messages: list[Message]) -> list[Message]:
        words = sorted({word for m in messages[1:-4] for word in m.content.split()})
        last = [n for n, m in enumerate(messages) if m.role == "assistant"][-1:]
        return [
            replace(messages[0], content=f"{messages[0].content}\n{' '.join(words)}"),
            *messages[(last or [1])[0] :],
        ]


class Equal(Keep):
    """The full history under another name."""


@cache
def planted(past: type[Keep]) -> Result:
    mode = Mode("planted", "planted", past, bounded=False)
    of = Suite(name="feed", summary="a control", make=partial(conflicts, notices=24, stocks=4, prose=True))
    run = compare(of, [mode], range(5), store=MemoryStore(), prices=["c=.10,w=1.25", "no-cache"])
    return asyncio.run(run)


@pytest.mark.parametrize(
    ("past", "code"),
    [
        (Tasker, "loses_success"),
        (Rewriter, "costs_more"),
        (Quitter, "loses_success"),
        (Bag, "loses_success"),
        (Equal, "no_difference"),
    ],
)
def test_the_verdict_on_a_planted_engine_is_right(past: type[Keep], code: str) -> None:
    result = planted(past)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    (found,) = result.comparisons
    assert found.code == code, found.text


def test_fewer_tokens_do_not_hide_a_higher_bill() -> None:
    (found,) = planted(Rewriter).comparisons
    assert found.token_ratio.value
    assert found.token_ratio.value < 0.8
    assert "costs more" in found.text
    assert "although it sends" in found.text


def test_failing_early_is_never_a_cheap_success() -> None:
    result = planted(Quitter)
    quitter = result.to_json()["modes"]["planted"]
    assert quitter["input_tokens"] < result.to_json()["modes"]["stateless"]["input_tokens"]
    assert quitter["solved"] == 0
    assert quitter["usd_per_solved"]["no-cache"] is None
    (found,) = result.comparisons
    assert found.token_ratio.value == 1.0, "what failed counts as at least the baseline's tokens"
    assert "no saving is claimed" in found.text


def test_an_equal_engine_is_equal_in_every_figure() -> None:
    result = planted(Equal)
    (found,) = result.comparisons
    assert found.token_ratio.value == found.usd_ratio["no-cache"].value == 1.0
    assert (found.p_success, found.p_tokens) == (1.0, 1.0)
    ours, theirs = result.of("planted"), result.of("stateless")
    assert [t.prompts for t in ours] == [t.prompts for t in theirs]
