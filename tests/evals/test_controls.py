"""The mandatory controls: what must succeed succeeds, what must fail fails, and the engine cannot know the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random
from statistics import mean
from typing import TYPE_CHECKING

import pytest

from satchel.evals.knapsack import HARD, generate
from satchel.evals.knapsack_desk import Names, knapsack, play
from satchel.evals.knapsack_policy import read
from satchel.evals.suite import SUITES, Suite, suite
from satchel.evals.trial import Trial, run_trial
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.context.message import Message, ToolCall

if TYPE_CHECKING:
    from satchel.evals.case import Case
    from satchel.memory.records import Json
    from satchel.runtime.models import Answer

SEEDS = range(6)
RENAMED = Names(
    list_items="show_stock",
    inspect="examine",
    take_item="load_unit",
    finish="close",
    item_id="unit_no",
    items="units",
    kind="group",
    value="worth",
    weight="mass",
    taken="loaded",
    error="problem",
    finished="closed",
    description="remarks",
    prefix="unit_",
)


async def trials(
    of: Suite, mode: str, seeds: Sequence[int] = SEEDS, *, limit: str | None = None, policy: str = "expert"
) -> list[Trial]:
    store = MemoryStore()
    run = partial(run_trial, of, mode=mode, store=store, prices=("no-cache",), context_limit=limit, policy=policy)
    return [await run(seed) for seed in seeds]


def hard(name: str, make: partial[Case]) -> Suite:
    return Suite(name=name, summary="a control", make=make)


@pytest.mark.parametrize("name", [s.name for s in SUITES.values() if "knapsack" in s.tags and "long" not in s.tags])
async def test_stateful_keeps_the_success_of_the_full_history(name: str) -> None:
    full = await trials(suite(name), "stateless")
    ours = await trials(suite(name), "stateful")
    assert [t.success for t in ours] == pytest.approx([t.success for t in full], abs=0.01)
    assert all(t.outcome == "done" and t.repeated_tool_calls == 0 for t in full)


async def test_an_unlimited_ceiling_equals_the_full_history() -> None:
    full = await trials(suite("knapsack"), "stateless")
    ours = await trials(suite("knapsack"), "stateful", limit="+900000")
    assert [(t.success, t.tool_calls) for t in ours] == [(t.success, t.tool_calls) for t in full]


async def test_full_history_plays_well() -> None:
    full = await trials(suite("knapsack"), "stateless", range(16))
    assert mean(t.success for t in full) > 0.75
    assert mean(t.model_calls for t in full) == pytest.approx(46, abs=4)


@pytest.mark.parametrize("mode", ["window", "mask"])
async def test_a_mode_that_forgets_what_it_saw_fails(mode: str) -> None:
    forgetful = await trials(suite("knapsack"), mode, range(3))
    assert mean(t.success for t in forgetful) < 0.25
    assert all(t.repeated_tool_calls > 50 for t in forgetful)


@pytest.mark.parametrize("mode", ["stateless", "stateful"])
async def test_a_random_explorer_scores_low(mode: str) -> None:
    fools = await trials(suite("knapsack"), mode, range(20), policy="explorer")
    assert mean(t.success for t in fools) < 0.15


async def test_permuted_ids_change_nothing_for_the_engine() -> None:
    def permuted(seed: int) -> Case:
        made = generate(HARD, seed)
        ids = [item.id for item in made.items]
        Random(seed).shuffle(ids)
        items = tuple(replace(item, id=mark) for item, mark in zip(made.items, ids, strict=True))
        return play(replace(made, items=items), difficulty=HARD, verbose=True)

    of = Suite(name="permuted", summary="a control", make=permuted)
    full, ours = await trials(of, "stateless"), await trials(of, "stateful")
    assert [t.success for t in ours] == pytest.approx([t.success for t in full], abs=0.01)


@pytest.mark.parametrize("verbose", [True, False])
async def test_renamed_tools_keys_and_ids_leave_score_equal_and_tokens_within_5_percent(*, verbose: bool) -> None:
    plain = hard("plain", partial(knapsack, difficulty=HARD, verbose=verbose))
    other = hard("other", partial(knapsack, difficulty=HARD, verbose=verbose, names=RENAMED))
    for mode in ("stateless", "stateful"):
        a, b = await trials(plain, mode), await trials(other, mode)
        assert [t.success for t in a] == [t.success for t in b]
        assert sum(t.input_tokens for t in b) == pytest.approx(sum(t.input_tokens for t in a), rel=0.05)


def test_no_word_of_the_renamed_game_is_an_ordinary_one() -> None:
    assert not set(RENAMED.words().values()) & set(Names().words().values())
    case = knapsack(0, difficulty=HARD, verbose=True, names=RENAMED)
    prompt = case.instructions + case.task + str([tool.schema for tool in case.tools])
    ordinary = Names()
    assert not [word for word in (ordinary.list_items, ordinary.take_item, ordinary.item_id) if word in prompt]


def ask(case: Case, messages: Sequence[Message]) -> Answer:
    return case.policies["expert"](messages, [tool.schema for tool in case.tools])


def opening(case: Case) -> list[Message]:
    return [Message("system", case.instructions), Message("user", case.task)]


def test_the_player_is_a_function_of_the_prompt_alone() -> None:
    case, again = (knapsack(3, difficulty=HARD, verbose=True) for _ in range(2))
    first = ask(case, opening(case))
    assert [ask(case, opening(case)), ask(again, opening(again))] == [first, first]
    assert [call.name for call in first.calls] == ["list_items"]


def test_the_player_believes_the_digest_and_the_tail_does_not_confuse_it() -> None:
    case = knapsack(3, difficulty=HARD, verbose=True)
    system, task = opening(case)
    digest = (
        "[satchel 77777 summary of earlier turns]\n"
        "@ inspect(item_id) -> class,value,weight\nitem_000000000001: K,350,22\nitem_000000000002: L,90,1\n"
        "@ take_item(item_id) -> error\nitem_000000000002: class not admitted\n"
        "@ list_items().items -> 3 values, 2 above; rest: item_000000000003 res:123456789\n"
        "[/satchel 77777 up to turn 4]"
    )
    call = ToolCall("c1", "take_item", {"item_id": "item_000000000001"})
    told: list[Message] = [
        system,
        Message("user", f"{task.content}\n\n{digest}"),
        Message("assistant", "", (call,)),
        Message("tool", '{"taken":true}\n\n[satchel 77777 now: 12 steps]', call_id="c1", name="take_item"),
    ]
    known = read(told, Names())
    assert known.listed
    assert known.seen == {"item_000000000001": ("K", 350, 22), "item_000000000002": ("L", 90, 1)}
    assert (known.taken, known.refused) == ({"item_000000000001"}, {"item_000000000002"})
    (next_call,) = ask(case, told).calls
    assert (next_call.name, next_call.args) == ("inspect", {"item_id": "item_000000000003"})


def test_what_the_prompt_no_longer_shows_is_asked_for_again() -> None:
    case = knapsack(3, difficulty=HARD, verbose=True)
    call: Json = {"item_id": case.id}
    told = [*opening(case), Message("assistant", "", (ToolCall("c1", "inspect", call),))]
    told += [Message("tool", "(old result left out: 1 lines)", call_id="c1", name="inspect")]
    assert [c.name for c in ask(case, told).calls] == ["list_items"]
