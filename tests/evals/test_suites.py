"""Each suite is solved by its oracle, failed by its fool, decided by its draw alone, and read the same in any form."""

from __future__ import annotations

import pytest

from satchel.evals.oracle import Oracle, play
from satchel.evals.suite import GOLDEN, SUITES, Suite, tasks
from satchel.evals.trial import TIMES, Trial, run_trial
from satchel.evals.view import view
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.context.message import Message, ToolCall

SHORT = [name for name, row in SUITES.items() if "short" in row.tags]
PLAYED = [name for name in SUITES if name not in ("knapsack-400", "knapsack-200")]
FOOLS = {"knapsack": "explorer"}


async def trial(name: str, mode: str, seed: int = 0) -> Trial:
    return await run_trial(SUITES[name], seed, mode, store=MemoryStore(), prices=["no-cache"])


@pytest.mark.parametrize("name", PLAYED)
async def test_the_oracle_solves_it_and_the_fool_fails(name: str) -> None:
    row = SUITES[name]
    best = await play(row.make(0))
    assert best.success > 0.7 if "knapsack" in row.tags else best.success == 1.0
    fool = await play(row.make(0), "explorer" if "knapsack" in row.tags else "fool")
    assert fool.success < 0.6 * best.success


@pytest.mark.parametrize("name", SUITES)
def test_a_draw_decides_the_case(name: str) -> None:
    row = SUITES[name]
    a, b, other = row.make(7), row.make(7), row.make(1007)
    assert (a.task, a.instructions, a.id, a.tags) == (b.task, b.instructions, b.id, b.tags)
    assert a.id != other.id
    assert row.tags & {"short", "medium", "long"}


@pytest.mark.parametrize("name", SHORT)
async def test_stateless_plays_as_the_oracle_does(name: str) -> None:
    made = await trial(name, "stateless")
    assert made.solved
    assert (made.agreement, made.tool_accuracy, made.diverged, made.extra_steps) == (1.0, 1.0, None, 0)
    assert (made.faults, made.amnesia_tokens) == (0, 0)


def test_the_golden_set_has_200_tagged_cases_and_no_case_twice() -> None:
    every = tasks(GOLDEN, range(2))
    assert len(every) >= 2 * 200
    drawn = {(task.suite.name, task.suite.draw(task.number, task.seed)) for task in every}
    assert len(drawn) == len(every)
    assert all(task.suite.tags for task in every)


async def test_an_agreed_case_is_equal_in_a_rerun_but_for_times() -> None:
    def steady(made: Trial) -> dict[str, object]:
        return {k: v for k, v in made.to_json().items() if k not in TIMES}

    a, b = await trial("conflicts", "stateful"), await trial("conflicts", "stateful")
    assert steady(a) == steady(b)
    assert a.prompts != (await trial("conflicts", "stateless")).prompts
    assert Trial.from_json(a.to_json()) == a


@pytest.mark.parametrize(("name", "mode"), [("conflicts", "window"), ("repair", "window"), ("conflicts-rows", "mask")])
async def test_a_mode_that_drops_what_is_needed_fails(name: str, mode: str) -> None:
    made = await trial(name, mode)
    assert not made.solved
    assert made.diverged is not None


async def test_a_failing_database_is_tried_again() -> None:
    made = await trial("service-flaky", "stateful")
    assert made.tool_errors > 0
    assert made.solved
    assert made.repeated_tool_calls == 0, "a second try after an error is no repetition"


async def test_outdated_values_are_counted_where_the_current_one_is_gone() -> None:
    assert (await trial("conflicts", "stateless")).stale == 0
    world = SUITES["conflicts"].make(0)
    texts = [(await world.tools[0].invoke({"number": number}, key="k")).text for number in range(1, 41)]
    assert world.stale("\n".join(texts)) == 0
    assert world.stale("\n".join(texts[:10])) > 0


async def test_no_outdated_price_stands_where_the_current_one_is_hidden() -> None:
    for name in ("conflicts", "conflicts-long"):
        made = await trial(name, "stateful")
        assert made.folds > 3
        assert (made.stale, made.success) == (0, 1.0)


async def test_false_rules_in_waybills_bind_nobody() -> None:
    row = SUITES["constraints"]
    waybills = [(await row.make(0).tools[0].invoke({"number": n}, key="k")).text for n in range(1, 65)]
    assert any("go by lane Z" in text for text in waybills)
    assert "lane Z" not in "".join((await play(row.make(0))).calls)


async def test_the_oracle_is_asked_once_for_each_case() -> None:
    made: list[int] = []

    def make(draw: int) -> object:
        made.append(draw)
        return SUITES["service"].make(draw)

    row = Suite(name="counted", summary="a control", make=make)  # type: ignore[arg-type]  # it gives a case
    oracle = Oracle()
    assert await oracle.of(row, 3) == await oracle.of(row, 3)
    assert made == [3]


TASK = Message("user", "Do it.")
DIGEST = """Do it.

[satchel 1 summary of earlier turns. ...]
user, turn 2: And that.
look(n=4) = Entry 4. Voucher V10001 paid 7 crowns. res:000000004
res:000000005 res:000000006 names: V20002
@ price(stock) -> price
AX-7: 431
@ older: res:000000007 res:000000008
[/satchel 1 up to turn 3]

Now go on."""


def asked(number: int, name: str, args: dict[str, str | int], answer: str) -> list[Message]:
    call = ToolCall(f"c{number}", name, args)
    return [Message("assistant", "", (call,)), Message("tool", answer, call_id=call.id, name=name)]


def test_a_digest_and_a_transcript_are_read_alike() -> None:
    told = view([TASK, *asked(1, "look", {"n": 4}, "Entry 4. Voucher V10001 paid 7 crowns.")])
    kept = view([Message("user", DIGEST)])
    for seen in (told, kept):
        assert [m[1] for m in seen.find(r"Voucher (V\d+) paid")] == ["V10001"]
        assert [s.args for s in seen.of("look")] == [("4",)]
    assert [s.fields["price"] for s in kept.of("price")] == ["431"]
    assert kept.user.split() == ["Do", "it.", "And", "that.", "Now", "go", "on."]


def test_recall_searches_everything_then_tries_what_stands_beside_the_words_and_then_the_oldest() -> None:
    messages, tried = [Message("user", DIGEST)], []
    while answer := view(messages).recall("V20002"):
        (call,) = answer.calls
        tried.append(call.args.get("ref"))
        messages += asked(len(tried), "recall", call.args, "(no line holds 'V20002')")
    assert tried == [None, "res:000000006", "res:000000005", "res:000000007", "res:000000008"]


def test_a_handle_in_a_recalled_index_is_followed() -> None:
    found = asked(1, "recall", {"ref": "res:000000007", "query": "V3"}, "3: turn 1: look(n=1) res:000000031 names: V3")
    answer = view([Message("user", DIGEST), *found]).recall("V3")
    assert answer
    assert answer.calls[0].args == {"ref": "res:000000031", "query": "V3"}
