"""A live comparison is recorded once and played again in both modes without a key; a changed prompt is told loudly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from satchel.evals.case import Case
from satchel.evals.cassette import Capped, Player, Recorder, kind
from satchel.evals.compare import Result, compare
from satchel.evals.graders import contains
from satchel.evals.plan import TRIALS
from satchel.evals.report import read_pairs
from satchel.evals.suite import Suite
from satchel.evals.tape import NAME
from satchel.evals.trial import TIMES
from satchel.memory.errors import BudgetExceeded, CassetteError, ConfigError, ModelBusy, ModelError
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer, Model, Scripted, echo, resolve
from tests.providers import errand
from tests.providers.openai_chat import OpenAI
from tests.providers.table import openai

ROOMS = 12
PRICES = ["c=.10,w=1.25", "gpt-5"]


def policy(messages: Sequence[Message], tools: Sequence[Any]) -> Answer:
    """The double's model without its server."""
    text = "\n".join(m.content for m in messages)
    made = errand.wish(text, [tool["function"]["name"] for tool in tools], ROOMS)
    ids = enumerate(made.calls, sum(len(m.calls) for m in messages))
    return Answer(made.words, tuple(ToolCall(f"c{n}", name, args) for n, (name, args) in ids))


def walk(seed: int) -> Case:
    return Case(
        id=f"walk-{seed}", seed=seed, task=errand.TASK, instructions=f"{errand.INSTRUCTIONS} House {seed}.",
        tools=tuple(errand.tools()), policies={"expert": policy}, score=contains([errand.answer(ROOMS)]), steps=30,
        tool_calls=60,
    )  # fmt: skip


WALK = Suite(name="walk", summary="a walk through a house", make=walk, context_limit="+1900")


@pytest.fixture
def live() -> Iterator[tuple[OpenAI, Model]]:
    """A provider's own client, and the strict double that it speaks to."""
    double = OpenAI(rooms=ROOMS)
    with double.serving() as url:
        yield double, resolve(openai(url))


def run(model: Model | None, seeds: int = 2, out: Path | None = None, suite: Suite = WALK) -> Result:
    return asyncio.run(
        compare(suite, ["stateful"], range(seeds), store=MemoryStore(), prices=PRICES, model=model, out=out)
    )


def once() -> Callable[[str], str | None]:
    """A user who asks once more, and then is content."""
    left = iter(["Once more, please."])
    return lambda _: next(left, None)


def steady(result: Result) -> list[dict[str, Any]]:
    left = {*TIMES, "kind"}
    return [{name: value for name, value in t.to_json().items() if name not in left} for t in result.trials]


def test_a_live_comparison_is_recorded_and_played_again_in_both_modes(
    live: tuple[OpenAI, Model], tmp_path: Path
) -> None:
    double, model = live
    first = run(Recorder(Capped(model, 5.0), tmp_path / "tape"), out=tmp_path / "live")
    asked = double.hits
    assert asked == sum(t.model_calls for t in first.trials)
    assert (first.kind, {t.success for t in first.trials}, double.refusals) == ("live", {1.0}, [])
    assert any(t.folds for t in first.trials if t.mode == "stateful")
    again = run(Player(tmp_path / "tape"), out=tmp_path / "replayed")
    assert double.hits == asked, "nobody was asked"
    assert steady(again) == steady(first)
    data = json.loads((tmp_path / "replayed" / "result.json").read_text())
    assert (data["kind"], data["model"]) == ("replayed", first.model)
    assert {found["kind"] for found in [*data["modes"].values(), *data["comparisons"].values()]} == {"replayed"}
    assert read_pairs(tmp_path / "replayed") == [], "a cassette is not played anew"
    page = (tmp_path / "replayed" / "report.md").read_text()
    assert "stateless (replayed) | stateful (replayed)" in page
    assert "stateful (live)" in (tmp_path / "live" / "report.md").read_text()


def test_the_usage_of_a_live_model_is_taken_as_it_is(live: tuple[OpenAI, Model], tmp_path: Path) -> None:
    double, model = live
    result = run(Recorder(model, tmp_path), seeds=1)
    assert sum(t.input_tokens for t in result.trials) == sum(bill.total for bill in double.bills)
    assert sum(t.cached_tokens for t in result.trials) == sum(bill.read for bill in double.bills)
    assert steady(run(Player(tmp_path), seeds=1)) == steady(result)


def test_a_changed_prompt_is_a_loud_miss_that_names_the_first_message_that_differs(tmp_path: Path) -> None:
    run(Recorder(Scripted(policy, name="openai:gpt-5"), tmp_path), seeds=1)
    changed = replace(WALK, make=lambda seed: replace(walk(seed), task=errand.TASK.replace("coins", "shells")))
    with pytest.raises(CassetteError) as raised:
        run(Player(tmp_path), seeds=1, suite=changed)
    text = str(raised.value)
    assert "call 0: not the recorded request: message 1 (user) was '" in text
    assert "how many coins" in text
    assert "how many shells" in text
    with pytest.raises(CassetteError, match="holds no trial 'walk/stateless/1'"):
        run(Player(tmp_path), seeds=2)


def test_the_other_mode_tools_and_a_longer_play_are_misses_too(tmp_path: Path) -> None:
    run(Recorder(Scripted(policy, name="openai:gpt-5"), tmp_path), seeds=1)
    fewer = replace(WALK, make=lambda seed: replace(walk(seed), tools=tuple(errand.tools()[::-1])))
    with pytest.raises(CassetteError, match="the list of tools was"):
        run(Player(tmp_path), seeds=1, suite=fewer)
    longer = replace(WALK, make=lambda seed: replace(walk(seed), user=once()))
    with pytest.raises(CassetteError, match="13 calls are recorded and one more was made"):
        run(Player(tmp_path), seeds=1, suite=longer)


def test_no_secret_is_stored(live: tuple[OpenAI, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPOT_API_KEY", "opal-seven-lanterns")
    told = "Password: hunter2-hunter2. Use opal-seven-lanterns, sk-live-0123456789abcdef."
    leaky = replace(WALK, make=lambda seed: replace(walk(seed), instructions=told))
    run(Recorder(live[1], tmp_path), seeds=1, suite=leaky)
    stored = (tmp_path / NAME).read_text()
    for secret in (
        "opal-seven-lanterns",
        "sk-live-0123456789abcdef",
        "hunter2-hunter2",
        "no-key-at-all",
        "Authorization",
    ):
        assert secret not in stored
    assert run(Player(tmp_path), seeds=1, suite=leaky).kind == "replayed", "the same blanks are made in the request"


def test_errors_are_played_again_and_nobody_waits(live: tuple[OpenAI, Model], tmp_path: Path) -> None:
    double, model = live
    double.faults.append((429, {"retry-after": "0.01"}))
    first = run(Recorder(model, tmp_path), seeds=1)
    assert run(Player(tmp_path), seeds=1).trials[0].turns == first.trials[0].turns
    player = Player(tmp_path)
    player.begin("walk/stateless/0")
    case = walk(0)
    with pytest.raises(CassetteError, match="not the recorded request"):
        asyncio.run(player.call([Message("user", case.task)], [], reply_tokens=9))
    errors = [line for line in (tmp_path / NAME).read_text().splitlines() if '"error"' in line]
    assert [json.loads(line)["error"]["type"] for line in errors] == [ModelBusy.__name__]


def test_a_cap_stops_before_the_call_that_could_go_above_it_and_the_rest_goes_on(
    live: tuple[OpenAI, Model], tmp_path: Path
) -> None:
    double, model = live
    with pytest.raises(BudgetExceeded, match=r"of the cap of \$0.05 are spent"):
        run(Capped(model, 0.05), seeds=5, out=tmp_path)
    spent = sum((b.total - b.read) * 1.25 + b.read * 0.125 + 20 * 10 for b in double.bills) / 1e6
    assert 0.02 < spent <= 0.05
    done = len((tmp_path / TRIALS).read_text().splitlines())
    assert 0 < done < 10
    before = double.hits
    assert len(run(Capped(model, 5.0), seeds=5, out=tmp_path).trials) == 10
    assert double.hits < before + (10 - done + 1) * 20, "what was done is not run again"


def test_a_cap_needs_a_price_and_a_cassette_needs_its_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a price for 'nobody:knows'"):
        Capped(Scripted(echo, name="nobody:knows"), 1.0)
    Recorder(Scripted(echo, name="a:b"), tmp_path)
    with pytest.raises(ConfigError, match="holds calls of a:b, not of a:c"):
        Recorder(Scripted(echo, name="a:c"), tmp_path)
    assert [kind(m) for m in (None, Scripted(echo), Scripted(echo, name="a:b"), Player(tmp_path))] == [
        "simulated", "simulated", "live", "replayed",
    ]  # fmt: skip


def test_a_trial_that_was_broken_off_is_recorded_anew_and_a_torn_line_left_out(tmp_path: Path) -> None:
    first = run(Recorder(Scripted(policy, name="openai:gpt-5"), tmp_path), seeds=1)
    whole = (tmp_path / NAME).read_text()
    lines = whole.splitlines(keepends=True)
    (tmp_path / NAME).write_text("".join(lines[: len(lines) // 2]) + lines[len(lines) // 2][:20])
    run(Recorder(Scripted(policy, name="openai:gpt-5"), tmp_path), seeds=1)
    assert steady(run(Player(tmp_path), seeds=1)) == steady(first)
    assert set((tmp_path / NAME).read_text().splitlines()) == set(whole.splitlines())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("{}\n", "no line of a cassette"),
        ('{"cassette": 2, "model": "m"}\n', "no cassette of version 1"),
        ('{"cassette": 1, "model": "m"}\n{"scope": "s", "request": ["gone"]}\n', "line 2: a request without its parts"),
        ('{"cassette": 1, "model": "m"}\nx\n', "line 2: no JSON"),
    ],
)
def test_what_is_no_cassette_is_refused(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(CassetteError, match=why):
        Player(tmp_path)


class Leaving:
    """A model that answers some calls and is then out of reach."""

    name, window, exact = "elsewhere:model", 100_000, True

    def __init__(self, answers: int) -> None:
        self._left, self._inner = answers, Scripted(policy)

    async def call(self, messages: Sequence[Message], tools: Sequence[Any], *, reply_tokens: int) -> Answer:
        if not self._left:
            raise ModelBusy("no route to the provider", after=0)
        self._left -= 1
        return await self._inner.call(messages, tools, reply_tokens=reply_tokens)


@pytest.mark.parametrize("mode", ["stateless", "langchain"])
@pytest.mark.parametrize("answers", [0, 3])
async def test_a_provider_out_of_reach_is_no_failure_of_a_mode(answers: int, mode: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no route to the provider"):
        await compare(
            WALK, [mode], [0], store=MemoryStore(), prices=PRICES, out=tmp_path, model=Leaving(answers), baseline=False
        )
    assert not (tmp_path / TRIALS).exists(), "the same command plays the trial anew"
