"""`analyze` says what state would have saved on a transcript, or would have cost, or that it is too short."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from satchel.evals.analysis_file import document
from satchel.evals.analysis_text import code, markdown, verdict
from satchel.evals.analyze import LIMIT, Analysis, Settings, analyze
from satchel.evals.replay import Replay
from satchel.evals.transcripts import formats
from satchel.memory.errors import ConfigError
from satchel.runtime.mode import MODES
from tests.evals.written import BILL, STEPS, WRITTEN, steps

BIG = "+1500"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transcripts")
    for name, row in WRITTEN.items():
        (folder / f"{name}.jsonl").write_text(row.write(), encoding="utf-8")
    return folder


def analysed(path: Path, *prices: str, mode: str = "stateful", limit: str = BIG) -> Analysis:
    return analyze(Settings.of(mode, limit, prices or ["c=.10,w=1.25"]), [path])


def test_full_history_is_every_prompt_with_what_was_sent_before_read_from_the_cache(shelf: Path) -> None:
    figures = analysed(shelf / "trace.jsonl", "c=.10,w=1.25", "no-cache").total
    assert figures is not None
    _, (run,) = formats.read(shelf / "trace.jsonl")
    prompts = [call.prompt for call in Replay(MODES["stateless"], "999999").run(run.trajectory)[0]]
    sizes = [prompt.size for prompt in prompts]
    assert figures.calls == STEPS + 1
    assert (figures.full.input, figures.full.cached, figures.full.peak) == (sum(sizes), sum(sizes[:-1]), sizes[-1])
    paid = (0.1 * sum(sizes[:-1]) + 1.25 * sizes[-1]) / 1e6
    assert figures.full.usd == {
        "c=.10,w=1.25": pytest.approx(paid),
        "no-cache": pytest.approx(sum(sizes) / 1e6),
        "claude-sonnet-4-5": pytest.approx(_sonnet(sizes) / 1e6),
    }, "the rows that were asked for, and that of the recorded model"
    assert figures.surface == 25 * (prompts[0].size - _size(prompts[0].messages[1]))


def _sonnet(sizes: list[int]) -> float:
    """Nothing is cached below 1,024 tokens (the price table); plain input 3, read 0.30, write 3.75."""
    pairs = zip(sizes, [0, *sizes[:-1]], strict=True)
    reads = [(size, before if before >= 1024 else 0) for size, before in pairs]
    return sum(0.3 * read + (3.75 if size >= 1024 else 3.0) * (size - read) for size, read in reads)


def _size(message: Any) -> int:
    from satchel.runtime.context import tokens  # noqa: PLC0415 - a helper of one test

    return tokens.count_message(message)


def test_every_format_of_the_same_run_gives_the_same_figures(shelf: Path) -> None:
    whole = ("trace", "openai", "openai-calls", "anthropic", "otlp", "console-spans")
    found = [analysed(shelf / f"{name}.jsonl").total for name in whole]
    assert all(f is not None and (f.full, f.ours, f.fidelity, f.folds) == _parts(found[0]) for f in found)
    assert found[0] is not None
    shares = found[0].fidelity.shares()
    assert found[0].folds > 1
    assert found[0].ours.peak < 3_000 < found[0].full.peak
    assert shares["addressable"] == 1
    assert (shares["complete"] or 0) > 0.9


def _parts(figures: Any) -> tuple[Any, ...]:
    return figures.full, figures.ours, figures.fidelity, figures.folds


def _depot() -> dict[str, Any]:
    """Sixty pages, each with the number of a lot, and twelve lots asked for long after their page was read."""
    dice = Random(4)
    lots = [f"lot-{dice.randrange(10**8):08d}" for _ in range(60)]
    asked = [{"page": n} for n in range(60)] + [{"lot": lot} for lot in lots[::5]]
    said: list[dict[str, Any]] = [{"role": "system", "content": "A depot."}, {"role": "user", "content": "Check it."}]
    for n, args in enumerate(asked):
        found = " ".join(f"{dice.choice(['rope', 'tar', 'oil'])}{dice.randrange(10**6)}" for _ in range(40))
        said.append({"role": "assistant", "content": "", "tool_calls": [{"id": f"c{n}", "name": "look", "args": args}]})
        said.append({"role": "tool", "tool_call_id": f"c{n}", "content": f"{lots[n]} holds {found}" if n < 60 else "x"})
    return {"id": "depot", "tools": [], "messages": [*said, {"role": "assistant", "content": "Done."}]}


@pytest.mark.parametrize(("mode", "limit"), [("stateful", "+6000"), ("stateful", "+3000"), ("window", "+3000")])
def test_facts_used_late_are_counted_where_they_stand_and_missed_where_they_do_not(
    mode: str, limit: str, tmp_path: Path
) -> None:
    (tmp_path / "depot.json").write_text(json.dumps(_depot()))
    figures = analysed(tmp_path, mode=mode, limit=limit).total
    assert figures is not None
    _, (run,) = formats.read(tmp_path / "depot.json")
    calls, _ = Replay(MODES[mode], limit if MODES[mode].bounded else "999999").run(run.trajectory)
    prompts = ["\n".join(m.content for m in call.prompt.messages) for call in calls]
    asked = [call.args["lot"] for m in run.trajectory.messages for call in m.calls if "lot" in call.args]
    there = sum(lot in prompt for lot, prompt in zip(asked, prompts[60:72], strict=True))
    shares = figures.fidelity.shares()
    assert (figures.fidelity.facts, figures.fidelity.calls) == (12, 12)
    assert shares["recall"] == shares["complete"] == there / 12
    assert there < 12, "what was read fifty pages ago is not in a prompt of this size"
    assert shares["addressable"] == (1 if mode == "stateful" else there / 12)


def test_what_was_recorded_is_billed_as_it_was_recorded(shelf: Path) -> None:
    bills = [step.usage for step in steps()] + [BILL]
    row, model = "c=.10,w=1.25", "claude-sonnet-4-5"
    figures = analysed(shelf / "otlp.jsonl").total
    assert figures is not None
    assert figures.recorded_calls == len(bills)
    assert figures.recorded.input == sum(fresh + read + write for fresh, read, write, _ in bills)
    assert figures.recorded_usd[row] == pytest.approx(sum(f + 0.1 * r + 1.25 * w for f, r, w, _ in bills) / 1e6)
    whole = sum(3 * f + 0.3 * r + 3.75 * w + 15 * out for f, r, w, out in bills) / 1e6
    assert figures.bill == pytest.approx(whole), "the row of the model that answered, output included"
    assert set(figures.full.usd) == {row, model}
    pi = analysed(shelf / "pi.jsonl").total
    assert pi is not None
    assert pi.bill == pytest.approx(0.25 * len(bills)), "dollars that stand in the transcript come first"


def test_the_three_verdicts_and_the_fidelity_beside_them(shelf: Path) -> None:
    saves = analysed(shelf / "trace.jsonl", "no-cache")
    assert code(saves) == "saves"
    assert verdict(saves).startswith("Stateful would have saved: ")
    assert "of the needed facts stood in the prompts, 100.0 % in them or behind a handle" in verdict(saves)
    costs = analysed(shelf / "trace.jsonl", "c=.02,w=1.25")
    assert code(costs) == "costs_more"
    assert "would have cost more" in verdict(costs)
    assert "although it sends" in verdict(costs)
    short = analysed(shelf / "trace.jsonl", limit=LIMIT)
    assert code(short) == "too_short"
    assert verdict(short).startswith("Too short to save anything")


def test_a_folder_is_read_whole_and_bad_files_are_named(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "good.json").write_text((shelf / "pi.jsonl").read_text())
    (tmp_path / "bad.jsonl").write_text('{"type": "session"}\n{')
    (tmp_path / "notes.txt").write_text("no transcript")
    found = analysed(tmp_path)
    assert [one.file for one in found.read] == ["good.json"]
    assert [why.partition(": ")[0] for _, why in found.failed] == [f"{tmp_path / 'bad.jsonl'}, line 2"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no transcript in"):
        analysed(tmp_path / "empty")


def test_the_document_is_json_and_says_what_is_not_known(shelf: Path) -> None:
    whole = json.loads(json.dumps(document(analysed(shelf)), allow_nan=False))
    assert whole["schema"] == "satchel.analyze/1"
    assert len(whole["transcripts"]) == len(WRITTEN) + 1, "one session has a side chain"
    by = {one["file"]: one for one in whole["transcripts"]}
    assert by["pi.jsonl"]["lacks"] == ["system text", "tool schemas"]
    assert by["trace.jsonl"]["recorded"] is None
    assert (by["otlp.jsonl"]["recorded"]["kind"], by["otlp.jsonl"]["full"]["kind"]) == ("live", "replayed")
    assert whole["usd_ci"][0] < whole["usd_ci"][1]
    assert any("compacted 2 times" in note for note in whole["notes"])
    assert any("not recorded: system text of 3 transcripts" in note for note in whole["notes"])
    assert any("No model was called" in note for note in whole["notes"])


def test_names_of_strangers_carry_no_mark_up_into_the_page(tmp_path: Path) -> None:
    trace = {**json.loads(WRITTEN["trace"].write()), "id": "<b>|`x`\n# y\x1b[31m"}
    (tmp_path / "t.json").write_text(json.dumps(trace))
    page = markdown(analysed(tmp_path / "t.json"))
    assert "\\<b\\>\\|\\`x\\` # y" in page
    assert "\x1b" not in page


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_analysed(mode: str, shelf: Path) -> None:
    figures = analysed(shelf / "trace.jsonl", mode=mode, limit="+9000").total
    assert figures is not None
    assert (figures.ours.cached == 0) == (not MODES[mode].cached)


def test_a_limit_below_the_fixed_surface_is_refused_by_name(shelf: Path) -> None:
    with pytest.raises(ConfigError, match="ceiling of 50"):
        analysed(shelf / "trace.jsonl", limit="50")
