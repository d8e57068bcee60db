"""The meter: a prompt shares with the one before it the longest common prefix in tokens, tool schemas first."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.meter import Meter, Split

if TYPE_CHECKING:
    from satchel.memory.records import Json

TOOLS: tuple[Json, ...] = (
    {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {}}},
)
SYSTEM = Message("system", "Be brief. " * 20)
TASK = Message("user", "Count the boxes in the yard.")


def turn(n: int) -> list[Message]:
    call = ToolCall(f"c{n}", "look", {"at": n})
    return [Message("assistant", f"look {n}", (call,)), Message("tool", f"{n} boxes", call_id=call.id)]


def size(messages: list[Message], tools: Sequence[Json] = TOOLS) -> int:
    return tokens.count_tools(tools) + sum(map(tokens.count_message, messages))


def test_a_first_prompt_shares_nothing() -> None:
    assert Meter().measure([SYSTEM, TASK], TOOLS) == Split(0, size([SYSTEM, TASK]))


def test_an_appended_prompt_shares_all_of_the_one_before() -> None:
    meter, first = Meter(), [SYSTEM, TASK, *turn(1)]
    meter.measure(first, TOOLS)
    assert meter.measure([*first, *turn(2)], TOOLS) == Split(size(first), size(turn(2), ()))


def test_equal_text_in_new_objects_is_shared_too() -> None:
    meter, first = Meter(), [SYSTEM, TASK, *turn(1)]
    meter.measure(first, TOOLS)
    copies = [replace(message) for message in first]
    assert meter.measure(copies, json.loads(json.dumps(TOOLS))) == Split(size(first), 0)


def test_within_the_first_message_that_differs_tokens_are_compared() -> None:
    meter = Meter()
    meter.measure([SYSTEM, TASK, Message("assistant", "one two three four")], TOOLS)
    split = meter.measure([SYSTEM, TASK, Message("assistant", "one two six four")], TOOLS)
    assert split.cached == size([SYSTEM, TASK]) + len(tokens.encode("assistant\none two"))


def test_a_fold_is_compared_with_the_prompt_before_it() -> None:
    meter = Meter()
    meter.measure([SYSTEM, TASK, *turn(1), *turn(2)], TOOLS)
    folded = Message(
        "user", TASK.content + "\n\n[satchel k3v9 summary of earlier turns.]\n[/satchel k3v9 up to turn 1]"
    )
    split = meter.measure([SYSTEM, folded, *turn(2)], TOOLS)
    assert size([SYSTEM]) < split.cached <= size([SYSTEM, TASK])


def test_changed_tool_schemas_end_the_shared_prefix() -> None:
    meter, more = Meter(), (*TOOLS, {"type": "function", "function": {"name": "recall"}})
    meter.measure([SYSTEM, TASK], TOOLS)
    assert 0 < meter.measure([SYSTEM, TASK], more).cached < tokens.count_tools(TOOLS)
    assert meter.measure([SYSTEM, TASK], ()).cached == 0


def test_conversations_do_not_disturb_each_other() -> None:
    meter, a, b = Meter(), [SYSTEM, TASK], [SYSTEM, Message("user", "Sweep the yard.")]
    meter.measure(a, TOOLS)
    assert meter.measure(b, TOOLS).cached == 0
    assert meter.measure([*a, *turn(1)], TOOLS).cached == size(a)


def test_only_so_many_conversations_are_remembered() -> None:
    meter = Meter(kept=2)
    for n in range(3):
        meter.measure([Message("user", f"task {n}")], ())
    assert [meter.measure([Message("user", f"task {n}")], ()).cached > 0 for n in (2, 0)] == [True, False]


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_a_plain_comparison_of_token_ids(seed: int) -> None:
    rng, meter, old = Random(seed), Meter(), list[Message]()
    for _ in range(12):
        keep = rng.randint(0, len(old))
        new = [*old[:keep], *(Message("assistant", rng.choice("abc") * rng.randint(1, 9)) for _ in range(3))]
        found = meter.measure([TASK, *new], TOOLS)
        expected = plain([TASK, *old], [TASK, *new]) if old else 0
        assert found == Split(expected, size([TASK, *new]) - expected)
        old = new


def plain(old: list[Message], new: list[Message]) -> int:
    total = tokens.count_tools(TOOLS)
    for a, b in zip(old, new, strict=False):
        p, q = tokens.encode_message(a), tokens.encode_message(b)
        if p != q:
            return total + next((n for n, (x, y) in enumerate(zip(p, q, strict=False)) if x != y), min(len(p), len(q)))
        total += len(p) + tokens.OVERHEAD
    return total


def test_a_long_prompt_is_measured_by_its_new_end_alone() -> None:
    meter, messages = Meter(), [SYSTEM, TASK, *(message for n in range(1000) for message in turn(n))]
    meter.measure(messages, TOOLS)
    took = []
    for n in range(20):
        messages = [*messages, *turn(n)]
        for message in messages[-2:]:
            tokens.count_message(message)
        began = time.perf_counter()
        meter.measure(messages, TOOLS)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.001  # 0.1 ms alone on the machine; the bound leaves room for a busy one
