"""`compare` pairs modes by seed and gives the verdict that the figures deserve, also an unwelcome one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from satchel.evals.compare import Result, compare
from satchel.evals.suite import suite
from satchel.evals.trial import TIMES, Trial, bills, run_trial
from satchel.evals.verdict import compare_pairs
from satchel.evals.watch import TurnTokens
from satchel.memory.errors import ConfigError
from satchel.memory.memory_store import MemoryStore
from satchel.memory.store import ThreadId
from satchel.runtime.prices import STANDING


def trial(mode: str, seed: int, *, success: float = 0.8, tokens: int = 1000, usd: float | None = 1.0) -> Trial:
    return Trial(
        suite="made", case=f"made-{seed}", seed=seed, mode=mode, success=success, outcome="done", model_calls=2,
        tool_calls=3, repeated_tool_calls=0, input_tokens=tokens, cached_tokens=tokens // 2, output_tokens=10,
        peak_tokens=tokens, usd={"c=0.1,w=1.25": usd, "no-cache": 2.0}, seconds=0.5, store_bytes=100, folds=1,
        context_limit=8000, turns=(TurnTokens(input=tokens, cached=tokens // 2, output=10),),
    )  # fmt: skip


def pairs(
    n: int, *, success: float = 0.8, tokens: int = 400, usd: float | None = 0.5
) -> tuple[list[Trial], list[Trial]]:
    bills = [None if usd is None else usd + s / 1e4 for s in range(n)]
    ours = [trial("ours", s, success=success, tokens=tokens + s, usd=bill) for s, bill in enumerate(bills)]
    return ours, [trial("stateless", s, tokens=1000 + s) for s in range(n)]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("saves", {}),
        ("costs_more", {"usd": 1.4}),
        ("no_difference", {"usd": 0.995}),
        ("no_difference", {"usd": None}),
        ("loses_success", {"success": 0.78}),
        ("too_few", {"n": 4}),
    ],
)
def test_each_verdict_is_given_when_it_is_deserved(code: str, changes: dict[str, float]) -> None:
    ours, theirs = pairs(**{"n": 10, **changes})  # type: ignore[arg-type]  # the table holds numbers of both kinds
    assert compare_pairs(ours, theirs).code == code


def test_the_sentence_names_success_tokens_and_dollars_also_when_state_costs_more() -> None:
    text = compare_pairs(*pairs(10, usd=1.4)).text
    assert text.startswith("Ours costs more: 40 % more dollars")
    assert "although it sends 60 % fewer input tokens" in text
    assert "c=0.1,w=1.25" in text
    assert "at success 0.800 against 0.800" in text
    assert text.count(".\n") == 0


def test_a_lost_success_is_never_called_a_saving() -> None:
    text = compare_pairs(*pairs(10, success=0.5)).text
    assert "loses success" in text
    assert "no saving is claimed" in text


def test_a_noisy_bill_around_one_is_no_difference() -> None:
    ours = [trial("ours", s, usd=0.7 if s % 2 else 1.25) for s in range(10)]
    assert compare_pairs(ours, [trial("stateless", s) for s in range(10)]).code == "no_difference"


def test_failing_cheaply_where_everyone_fails_saves_nothing() -> None:
    ours = [replace(trial("ours", s, success=0, tokens=9, usd=0.01), solved=False) for s in range(10)]
    theirs = [replace(trial("stateless", s, success=0), solved=False) for s in range(10)]
    found = compare_pairs(ours, theirs)
    assert (found.code, found.token_ratio.value) == ("no_difference", 1.0)
    assert "no success of either" in found.text


def test_a_mode_that_crashes_in_half_of_its_trials_is_not_cheap() -> None:
    ours, theirs = pairs(10, tokens=900, usd=0.9)
    nothing = dict.fromkeys(ours[0].usd, 0.0)
    dead = [replace(t, success=0.0, solved=False, outcome="failed", input_tokens=0, usd=nothing) for t in ours]
    crashed = [dead[t.seed] if t.seed % 2 else t for t in ours]
    found = compare_pairs(crashed, theirs)
    assert found.code == "loses_success"
    assert (found.token_ratio.value or 0) > 0.94
    assert found.p_success == pytest.approx(2 / 32)


def test_a_baseline_that_crashed_for_nothing_does_not_make_the_bill_unknown() -> None:
    ours, theirs = pairs(10)
    free = replace(theirs[0], usd={**theirs[0].usd, "c=0.1,w=1.25": 0.0}, success=0.0, solved=False)
    found = compare_pairs(ours, [free, *theirs[1:]])
    assert found.code == "saves"
    assert found.usd_ratio["c=0.1,w=1.25"].value == pytest.approx(5.0045 / 9)


def test_what_costs_nothing_has_no_verdict_on_dollars() -> None:
    ours, theirs = ([replace(t, usd=dict.fromkeys(t.usd, 0.0)) for t in side] for side in pairs(10))
    found = compare_pairs(ours, theirs)
    assert found.code == "no_difference"
    assert "unknown or nothing" in found.text


def test_a_saving_says_so_when_a_loss_of_success_is_not_ruled_out() -> None:
    ours = [trial("ours", s, success=0.2 if s % 2 else 1.0, tokens=400, usd=0.5) for s in range(10)]
    theirs = [trial("stateless", s, success=1.0 if s % 2 else 0.2) for s in range(10)]
    found = compare_pairs(ours, theirs)
    assert found.success_diff.value == pytest.approx(0)
    assert "a loss of up to 0.480 is within the interval" in found.text
    assert "loss of" not in compare_pairs(*pairs(10)).text


@pytest.mark.parametrize("spread", [1.0, 50.0, 1000.0])
def test_a_bill_of_any_spread_is_called_lower_no_more_often_than_by_chance(spread: float) -> None:
    rng, called = Random(11), 0
    for _ in range(60):
        bills = [(rng.uniform(1, 1 + spread), rng.uniform(1, 1 + spread)) for _ in range(12)]
        ours = [trial("ours", s, usd=a) for s, (a, _) in enumerate(bills)]
        theirs = [trial("stateless", s, usd=b) for s, (_, b) in enumerate(bills)]
        called += compare_pairs(ours, theirs).code != "no_difference"
    assert called <= 10, "12 pairs: percentile intervals miss a little more often than 5 in 100"


def test_only_seeds_that_both_modes_have_are_paired() -> None:
    ours, theirs = pairs(8)
    assert compare_pairs(ours, theirs[:6]).seeds == 6


def test_a_bill_reads_the_prefix_from_the_cache_and_writes_the_rest() -> None:
    turns = [TurnTokens(input=1000, cached=0, output=0), TurnTokens(input=1500, cached=1000, output=0)]
    assert bills(turns, "c=.10,w=1.25") == pytest.approx((1000 * 1.25 + 1000 * 0.1 + 500 * 1.25) / 1e6)
    assert bills(turns, "no-cache") == pytest.approx(2500 / 1e6)


async def compared(modes: Sequence[str], seeds: Sequence[int], out: Path | None = None) -> Result:
    of = suite("knapsack-easy-verbose")
    return await compare(of, modes, seeds, store=MemoryStore(), prices=STANDING, out=out)


async def test_the_result_has_the_shape_of_the_contract(tmp_path: Path) -> None:
    made = await compared(["stateful", "window"], range(2), tmp_path / "new" / "folder")
    data = json.loads((tmp_path / "new" / "folder" / "result.json").read_text())
    assert data == made.to_json()
    assert data["schema"] == "satchel.compare/3"
    assert data["kind"] == "simulated"
    assert {"suite", "seeds", "git", "created", "prices", "modes", "comparisons", "trials"} <= data.keys()
    assert list(data["modes"]) == ["stateless", "stateful", "window"]
    for totals in data["modes"].values():
        wanted = "trials success_mean success_ci input_tokens cached_tokens output_tokens peak_tokens model_calls "
        wanted += "tool_calls repeated_tool_calls usd seconds store_bytes"
        assert set(wanted.split()) <= totals.keys()
        assert list(totals["usd"]) == data["prices"]
    for found in data["comparisons"].values():
        assert {"against", "success_diff", "token_ratio", "usd_ratio", "ci", "verdict"} <= found.keys()
        assert found["against"] == "stateless"
        assert found["verdict"]["code"] == "too_few"
    assert len(data["trials"]) == 6
    assert all(len(t["turns"]) == t["model_calls"] for t in data["trials"])


async def test_a_rerun_differs_in_nothing_but_times() -> None:
    def steady(result: Result) -> list[dict[str, object]]:
        return [{k: v for k, v in t.to_json().items() if k not in TIMES} for t in result.trials]

    assert steady(await compared(["stateful"], [0, 1])) == steady(await compared(["stateful"], [0, 1]))


async def test_the_stateless_totals_are_those_of_the_transcript() -> None:
    made = await run_trial(suite("knapsack-easy-bare"), 0, "stateless", store=MemoryStore(), prices=["no-cache"])
    sizes = [turn.input for turn in made.turns]
    assert sizes == sorted(sizes)
    assert [turn.cached for turn in made.turns][1:] == sizes[:-1]
    assert made.folds == 0
    assert made.peak_tokens == sizes[-1]


async def test_a_trial_leaves_no_thread_behind_and_does_not_trip_over_an_old_one() -> None:
    store, of = MemoryStore(), suite("knapsack-easy-bare")
    left = await store.acquire(ThreadId("knapsack-easy-bare/stateful/0", "evals"), ttl=60)
    await store.append(left, op="x", expected=0, entries=[b"not ours"])
    await store.release(left)
    made = await run_trial(of, 0, "stateful", store=store, prices=["no-cache"])
    assert made.outcome == "done"
    assert made.store_bytes > 0
    assert await store.threads("evals") == []


async def test_progress_hears_of_every_trial() -> None:
    heard: list[tuple[int, int, str]] = []
    await compare(
        suite("knapsack-easy-bare"), ["stateful"], [4, 5], store=MemoryStore(), prices=["no-cache"],
        progress=lambda t, of: heard.append((of, t.seed, t.mode)),
    )  # fmt: skip
    assert heard == [(4, 4, "stateless"), (4, 4, "stateful"), (4, 5, "stateless"), (4, 5, "stateful")]


@pytest.mark.parametrize(
    ("modes", "seeds", "prices", "words"),
    [
        (["statefull"], [0], ["no-cache"], "unknown mode 'statefull'"),
        (["stateful"], [0], ["c=cheap"], "price row 'c=cheap'"),
        (["stateful"], [], ["no-cache"], "at least one seed"),
        (["stateful"], [0], [], "at least one price row"),
    ],
)
async def test_a_wrong_request_is_refused_before_the_first_trial(
    modes: list[str], seeds: list[int], prices: list[str], words: str
) -> None:
    heard: list[Trial] = []
    with pytest.raises(ConfigError, match=words):
        await compare(
            suite("knapsack"), modes, seeds, store=MemoryStore(), prices=prices, progress=lambda t, _: heard.append(t)
        )  # fmt: skip
    assert heard == []


async def test_a_context_limit_counts_everything_or_beyond_the_fixed_surface() -> None:
    async def limited(text: str) -> Trial:
        of = suite("knapsack")
        return await run_trial(of, 0, "stateful", store=MemoryStore(), prices=["no-cache"], context_limit=text)

    total, beyond = await limited("7000"), await limited("+4000")
    assert total.context_limit == 7000
    assert 6800 <= beyond.context_limit <= 7400
    assert total.peak_tokens <= 7000
    with pytest.raises(ConfigError, match="neither a number of tokens nor"):
        await limited("lots")
