"""Agents of LangChain and deepagents are modes of a comparison like any other: same tasks, same bill, same report."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from satchel.evals.case import Case
from satchel.evals.compare import compare
from satchel.evals.conflicts import conflicts
from satchel.evals.frameworks import FRAMEWORKS, way
from satchel.evals.oracle import play
from satchel.evals.suite import Suite, suite
from satchel.evals.summaries import SUMMARY, quote
from satchel.evals.trial import TIMES, Trial, run_trial
from satchel.memory.errors import ConfigError
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.context import tokens
from satchel.runtime.context.message import ToolCall
from satchel.runtime.models import Answer

FEED = Suite(
    name="feed", summary="a feed that outgrows its room", context_limit="+3000",
    make=partial(conflicts, notices=50, stocks=4, prose=True),
)  # fmt: skip
SHORT = Suite(
    name="short", summary="a shorter one", context_limit="+1500",
    make=partial(conflicts, notices=24, stocks=4, prose=True),
)  # fmt: skip
FORGETFUL = ("langchain-summary", "deepagents")


async def trial(mode: str, of: Suite = FEED) -> Trial:
    return await run_trial(of, 0, mode, store=MemoryStore(), prices=["c=.10,w=1.25"])


KNOWN: dict[str, Trial] = {}


async def known(mode: str) -> Trial:
    """The feed in a mode, played once for all tests."""
    if mode not in KNOWN:
        KNOWN[mode] = await trial(mode)
    return KNOWN[mode]


@pytest.mark.parametrize("mode", ["langchain-satchel", "deepagents-satchel"])
async def test_our_middleware_keeps_what_the_task_needs(mode: str) -> None:
    found = await trial(mode, suite("repair"))
    assert (found.success, found.outcome, found.solved) == (1.0, "done", True)
    assert found.agreement > 0.9


async def test_create_agent_as_it_comes_sends_the_whole_transcript() -> None:
    found, oracle = await known("langchain"), await play(FEED.make(0))
    assert (found.success, found.outcome, found.solved) == (1.0, "done", True)
    assert (found.diverged, found.model_calls, found.tool_calls) == (None, oracle.steps, len(oracle.calls))
    sizes = [turn.input for turn in found.turns]
    assert sizes == sorted(sizes)
    assert [turn.cached for turn in found.turns][1:] == sizes[:-1]
    assert found.folds == 0


@pytest.mark.parametrize("mode", FRAMEWORKS)
async def test_a_rerun_sends_the_same_prompts(mode: str) -> None:
    first, again = (
        {k: v for k, v in found.to_json().items() if k not in TIMES} for found in (await known(mode), await trial(mode))
    )
    assert first == again
    assert first["folds"] > 0 or mode == "langchain"
    assert first["libraries"].startswith(mode.partition("-")[0])


@pytest.mark.parametrize("mode", ["langchain-summary", "deepagents"])
async def test_summaries_are_on_the_bill_and_leave_the_fixed_surface_cached(mode: str) -> None:
    found = await known(mode)
    summaries = [n for n, turn in enumerate(found.turns) if turn.output > SUMMARY // 2]
    assert summaries
    assert found.model_calls == len(found.turns) > found.tool_calls
    assert all(found.turns[n].cached < found.turns[n].input / 2 for n in summaries), "all but its head is new"
    surface = found.turns[0].input - tokens.count(FEED.make(0).task) - 8
    assert all(found.turns[n + 1].cached >= surface for n in summaries)


async def test_results_that_were_cleared_break_the_cached_prefix() -> None:
    bare, cleared = await known("langchain"), await known("langchain-clear")
    assert cleared.input_tokens < bare.input_tokens
    assert cleared.cached_tokens / cleared.input_tokens < bare.cached_tokens / bare.input_tokens
    assert cleared.folds > 5


async def test_a_comparison_pairs_them_with_stateless_and_opens_the_worst(tmp_path: Path) -> None:
    made = await compare(SHORT, FORGETFUL, range(5), store=MemoryStore(), prices=["no-cache"], out=tmp_path)
    data = made.to_json()
    assert list(data["modes"]) == ["stateless", *FORGETFUL]
    assert data["modes"]["stateless"]["libraries"] == ""
    assert data["modes"]["langchain-summary"]["libraries"].startswith("langchain 1.")
    assert {c["verdict"]["code"] for c in data["comparisons"].values()} == {"loses_success"}
    page = (tmp_path / "report.html").read_text()
    assert "langchain-summary" in page
    assert "deepagents 0." in page
    assert page.count("dropped</b>") > 1, "the worst pairs show what each summary dropped"
    assert "Played again" not in page


async def test_a_mode_whose_library_is_missing_is_refused_before_the_first_trial() -> None:
    lacking = replace(FRAMEWORKS["deepagents"], libraries=("langchain", "no-such-library"))
    heard: list[Trial] = []

    def hear(trial: Trial, _: int) -> None:
        heard.append(trial)

    with pytest.raises(ConfigError, match="mode 'deepagents' needs no-such-library: pip install no-such-library"):
        await compare(FEED, [lacking], [0], store=MemoryStore(), prices=["no-cache"], progress=hear)
    assert heard == []
    with pytest.raises(ConfigError, match="did you mean 'langchain-summary'"):
        way("langchain-sumary")


async def test_a_policy_without_an_end_stops_at_the_steps_of_its_case() -> None:
    def restless(draw: int) -> Case:
        case = FEED.make(draw)
        return replace(
            case, steps=7, policies={"expert": lambda _m, _t: Answer("", (ToolCall("", "next_notice", {}),))}
        )

    found = await trial("langchain", of=replace(FEED, make=restless))
    assert (found.outcome, found.model_calls, found.success) == ("steps", 7, 0.0)


async def test_recorded_trajectories_have_no_agent_to_play_them(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "tools": [], "messages": said}) + "\n")
    with pytest.raises(ConfigError, match="replayed, not played, so it has no mode 'langchain'"):
        await trial("langchain", of=suite(f"traces:{tmp_path}"))


def test_a_scripted_summary_quotes_the_beginning_and_the_end() -> None:
    told = "Your task is to " + "wander " * 5_000 + "home"
    made = quote(f"Summarise.\n<messages>\n{told}")
    assert made.strip().startswith("Your task is to")
    assert made.endswith("home")
    assert tokens.count(made) <= SUMMARY + 4
    assert quote("short") == "short"
