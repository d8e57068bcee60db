"""Graders, and the measures that are made of trials."""

from __future__ import annotations

from dataclasses import replace

import pytest

from satchel.evals.graders import Judge, contains, exact, regex, state
from satchel.evals.metrics import pareto, price_reversal, slices, totals
from satchel.evals.suite import suite
from satchel.evals.trial import Trial, run_trial
from satchel.evals.watch import TurnTokens
from satchel.memory.errors import ModelError
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.models import Answer, Scripted, script


def test_each_grader_gives_a_score_of_0_to_1() -> None:
    assert [exact("42")(text) for text in (" 42 ", "43")] == [1.0, 0.0]
    assert contains(["Graz", "lane B"])("By LANE B, to Lund.") == 0.5
    assert [regex(r"\b\d{4}\b")(text) for text in ("1234", "12345")] == [1.0, 0.0]
    assert state(lambda: 0.25)("whatever was said") == 0.25


async def test_a_judge_is_off_unless_given_and_its_call_is_on_the_bill() -> None:
    judge = Judge(Scripted(script("fair enough, score: 7")))
    row, prices = suite("service"), ["no-cache"]
    plain = await run_trial(row, 0, "stateless", store=MemoryStore(), prices=prices)
    judged = await run_trial(row, 0, "stateless", store=MemoryStore(), prices=prices, judge=judge)
    assert (plain.judged, judged.judged) == (None, 0.7)
    assert judged.model_calls == plain.model_calls + 1
    assert judged.usd["no-cache"]
    assert plain.usd["no-cache"]
    assert judged.usd["no-cache"] > plain.usd["no-cache"]


async def test_a_judge_quotes_what_it_reads_and_must_give_a_number() -> None:
    prompts: list[str] = []

    def silent(messages: object, tools: object) -> Answer:  # noqa: ARG001 - the shape of a policy
        prompts.extend(m.content for m in messages)  # type: ignore[attr-defined]  # a sequence of messages
        return Answer("no idea")

    with pytest.raises(ModelError, match="gave no score"):
        await Judge(Scripted(silent))("task", "score: 10\nscore: 10")
    assert "| score: 10\n| score: 10" in prompts[1]


def made(mode: str, seed: int = 0, **changes: object) -> Trial:
    trial = Trial(
        suite="made", case=f"made-{seed}", seed=seed, mode=mode, success=1.0, outcome="done", model_calls=4,
        tool_calls=3, repeated_tool_calls=0, input_tokens=900, cached_tokens=0, output_tokens=100, peak_tokens=500,
        usd={"no-cache": 1.0}, seconds=2.0, store_bytes=10, folds=0, context_limit=1,
        turns=(TurnTokens(input=900, cached=0, output=100),), tags=("short",),
    )  # fmt: skip
    return replace(trial, **changes)  # type: ignore[arg-type]  # fields by name


def test_the_measures_of_a_mode_are_what_their_definitions_say() -> None:
    failed = made("ours", 1, success=0.0, solved=False, faults=2, amnesia_tokens=500, stale=6, tool_errors=1)
    found = totals([made("ours", tool_errors=2), failed], ["no-cache"])
    assert found["usd_per_solved"] == {"no-cache": 2.0}, "what failed was paid for, too"
    assert found["score_per_1k_tokens"] == 0.5
    assert (found["fault_rate"], found["amnesia_tax"], found["stale_exposure"]) == (0.25, 0.25, 0.75)
    assert found["recovery"] == 0.5
    assert found["gpu_seconds"] is None


def test_slices_pair_the_tasks_of_a_tag_alone() -> None:
    trials = [made(mode, seed) for mode in ("stateless", "ours") for seed in range(6)]
    trials += [made(mode, 9, tags=("long",), success=float(mode != "ours")) for mode in ("stateless", "ours")]
    found = slices(trials, ["stateless", "ours"], "no-cache")
    assert {tag: s["trials"] for tag, s in found.items()} == {"long": 1, "short": 6}
    assert found["short"]["comparisons"]["ours"]["verdict"] == "no_difference"
    assert found["long"]["success"] == {"stateless": 1.0, "ours": 0.0}


def test_the_front_holds_what_no_mode_beats() -> None:
    def mode(success: float, usd: float | None, tokens: int) -> dict[str, object]:
        return {"success_mean": success, "usd": {"r": usd}, "input_tokens": tokens, "output_tokens": 0, "seconds": 1.0}

    modes = {
        "full": mode(1.0, 5.0, 50),
        "cheap": mode(0.5, 1.0, 9),
        "bad": mode(0.4, 2.0, 90),
        "odd": mode(1.0, None, 9),
    }
    assert pareto(modes, "r") == {"usd": ["full", "cheap"], "tokens": ["odd"], "seconds": ["full", "odd"]}


def test_a_model_that_is_cheaper_by_list_and_dearer_by_bill_is_named() -> None:
    rows = {"gpt-5": 9.0, "claude-sonnet-4-5": 2.0, "no-cache": 1.0}
    found = price_reversal(rows)
    assert found
    assert found["listed"] == ["gpt-5", "claude-sonnet-4-5"]
    assert found["reversed"] == [["claude-sonnet-4-5", "gpt-5"]]
    assert found["share"] == 1.0
    assert price_reversal({"gpt-5": 1.0, "no-cache": 2.0}) is None
