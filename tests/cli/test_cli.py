"""Each command, its JSON, its exit code, and one clear sentence for each mistake."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

TRACE = {
    "id": "one",
    "tools": [],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is in a.txt?"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "name": "read", "args": {"path": "a.txt"}}]},
        {"role": "tool", "content": "alpha", "tool_call_id": "c1", "name": "read"},
        {"role": "assistant", "content": "alpha"},
    ],
}


def test_a_run_prints_its_answer_on_stdout_and_progress_on_stderr(satchel: Run) -> None:
    done = satchel("run", "good morning", "--model", "sim:echo", "--thread", "echo")
    assert done.stdout == "good morning\n"
    assert "step 1" in done.stderr
    assert "done: thread echo" in done.stderr


def test_json_is_one_document_on_stdout(satchel: Run) -> None:
    done = json.loads(satchel("run", "good evening", "--model", "sim:echo", "--json").stdout)
    assert (done["output"], done["outcome"]) == ("good evening", "done")
    assert done["usage"]["usd"] is None, "an unknown price is unknown, not zero"


def test_a_budget_stop_exits_3_and_more_budget_goes_on(satchel: Run) -> None:
    stopped = satchel("run", "go", "--agent", "agents:busy", "--thread", "busy", code=3)
    assert "out of steps" in stopped.stdout
    assert "steps: thread busy" in stopped.stderr
    again = satchel("resume", "busy", "--agent", "agents:busy", "--add-budget", "steps=2", "--json", code=3)
    assert json.loads(again.stdout)["state"]["steps"] == 5


def test_threads_are_listed_shown_and_removed(satchel: Run) -> None:
    satchel("run", "keep this", "--model", "sim:echo", "--thread", "kept")
    assert "kept" in [row["thread"] for row in json.loads(satchel("threads", "ls", "--json").stdout)]
    assert "keep this" in satchel("threads", "show", "kept").stdout
    kinds = [entry["kind"] for entry in json.loads(satchel("threads", "show", "kept", "--json").stdout)]
    assert kinds == ["opened", "started", "said", "reply", "ended"]
    satchel("threads", "rm", "kept")
    satchel("threads", "show", "kept", code=1)


def test_ctrl_c_exits_130_says_how_to_go_on_and_loses_nothing(
    satchel: Run, folder: Path, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "satchel", "run", "sleep", "--agent", "agents:patient", "--thread", "cut"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"
        satchel("resume", "cut", "--agent", "agents:patient", code=1)  # it runs elsewhere
        process.send_signal(signal.SIGINT)
        assert "`satchel resume THREAD` goes on" in process.communicate(timeout=20)[1]
    assert process.returncode == 130
    kinds = [entry["kind"] for entry in json.loads(satchel("threads", "show", "cut", "--json").stdout)]
    assert kinds == ["opened", "started", "said", "reply", "call"]


def test_suites_and_a_comparison_with_its_report(satchel: Run, tmp_path: Path) -> None:
    assert "knapsack" in satchel("suites").stdout
    done = satchel(
        "compare", "knapsack-easy-bare", "--seeds", "5", "--prices", "c=.10,w=1.25,gpt-5", "--out", str(tmp_path),
        "--curve", "+4000,+10000",
    )  # fmt: skip
    assert done.stdout.splitlines()[0].startswith("Stateful")
    assert "B99     at most +4000" in done.stdout
    assert "15 of 15 trials" in done.stderr, "at its own limit the suite has been played"
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["prices"] == ["c=.10,w=1.25", "gpt-5"]
    assert (tmp_path / "report.html").is_file()


def test_one_mode_is_measured_alone_and_its_report_is_written_again(satchel: Run, tmp_path: Path) -> None:
    words = ("eval", "service", "--mode", "window", "--seeds", "1", "--store", "memory://", "--json")
    made = json.loads(satchel(*words, "--out", str(tmp_path)).stdout)
    assert list(made["modes"]) == ["window"]
    (tmp_path / "report.html").unlink()
    again = json.loads(satchel("report", str(tmp_path), "--json").stdout)
    assert again == made
    assert (tmp_path / "report.html").is_file()


def test_a_gate_fails_with_4_and_tells_each_clause(satchel: Run, tmp_path: Path) -> None:
    out, words = tmp_path / "out", ("eval", "knapsack-easy-bare", "--seeds", "1", "--store", "memory://", "--json")
    first = satchel(*words, "--out", str(out), "--fail-if", "success < 0")
    assert "gate passed: success < 0 (success is 0." in first.stderr
    earlier = ("--baseline", str(out / "result.json"))
    gate = "model_calls_increase >= 0 or slice('short').success_drop > 0.02"
    failed = satchel(*words, "--out", str(out), *earlier, "--fail-if", gate, code=4)
    assert "gate FAILED: model_calls_increase >= 0 (model_calls_increase is 0)" in failed.stderr
    assert "gate passed: slice('short').success_drop > 0.02" in failed.stderr
    assert json.loads(failed.stdout)["modes"]
    assert '<testsuite name="satchel compare knapsack-easy-bare" tests="2" failures="1">' in (
        out / "junit.xml"
    ).read_text("utf-8")


def test_a_comparison_that_is_interrupted_goes_on_without_repeating_a_trial(
    satchel: Run, folder: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    words = ("compare", "conflicts-rows", "--modes", "window", "--seeds", "6", "--workers", "2", "--out", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-m", "satchel", *words], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr
        assert process.stderr.readline().startswith("10 of 12 trials")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        told = process.communicate(timeout=30)[1]
        assert "the same command goes on" in told
        assert "resume" not in told, "a comparison is no thread"
    assert process.returncode == 130
    kept = (tmp_path / "trials.jsonl").read_text().splitlines()
    assert 10 <= len(kept) <= 12
    satchel(*words)
    lines = (tmp_path / "trials.jsonl").read_text().splitlines()
    assert lines[: len(kept)] == kept
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 12


def test_load_finds_no_breaking_point_in_one_level_and_draws_its_profile(satchel: Run, tmp_path: Path) -> None:
    page, flame = tmp_path / "flame.html", tmp_path / "flame.json"
    words = ("load", "--levels", "2", "--latency", "0.001", "--turns", "2", "--runs", "1", "--store", "memory://")
    table = satchel(*words, "--profile", str(page)).stdout.splitlines()
    assert table[1].split()[:3] == ["2", "2", "0.0%"]
    assert table[2].startswith("Breaking point: none of these levels")
    found = json.loads(satchel(*words, "--profile", str(flame), "--json").stdout)
    assert (found["levels"][0]["errors"], found["breaking_point"]) == (0, None)
    assert "<script" in page.read_text("utf-8"), "a page of its own, which runs what draws it"
    assert json.loads(flame.read_text("utf-8"))["profiles"]


def test_suites_are_listed_with_tags_and_cases(satchel: Run) -> None:
    rows = json.loads(satchel("suites", "--json").stdout)
    assert sum(row["cases"] for row in rows) >= 200
    assert all(row["tags"] for row in rows)


def test_replay_writes_prompts_and_vault(satchel: Run, tmp_path: Path) -> None:
    trace, prompts, vault = tmp_path / "t.jsonl.gz", tmp_path / "p.jsonl.gz", tmp_path / "v.jsonl"
    trace.write_bytes(gzip.compress(json.dumps(TRACE).encode()))
    satchel("replay", str(trace), "--context-limit", "+8000", "--prompts", str(prompts), "--vault", str(vault))
    lines = [json.loads(line) for line in gzip.decompress(prompts.read_bytes()).splitlines()]
    assert [line["call"] for line in lines] == [0, 1]
    assert lines[1]["messages"] == TRACE["messages"][:4]
    assert {"trajectory", "ref", "text"} == set(json.loads(vault.read_text().splitlines()[0]))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["run", "hi"], 2, "--model"),
        (["run", "hi", "--model", "sim:ecko"], 2, "sim:echo"),
        (["run", "hi", "--model", "sim:echo", "--mode", "statefull"], 2, "did you mean 'stateful'"),
        (["run", "hi", "--model", "sim:echo", "--budget", "stepps=3"], 2, "unknown budget 'stepps'"),
        (["run", "hi", "--model", "sim:echo", "--budget", "steps=0"], 2, "allows nothing"),
        (["run", "hi", "--model", "sim:echo", "--budget", "usd=1"], 2, "total_tokens"),
        (["run", "hi", "--model", "sim:echo", "--context-limit", "100"], 2, "raise context_limit to"),
        (["run", "hi", "--model", "sim:echo", "--context-limit", "lots"], 2, "neither a number"),
        (["run", "hi", "--model", "sim:echo", "--fold", "often"], 2, "nor a number of turns"),
        (["run", "hi", "--model", "sim:echo", "--store", "redis://127.0.0.1:1"], 1, "gives no answer"),
        (["run", "hi", "--model", "sim:echo", "--store", "ftp://x"], 2, "known are"),
        (["run", "hi", "--agent", "agents:nobody"], 2, "nobody"),
        (["run", "hi", "--agent", "agents:number"], 2, "not an Agent"),
        (["run", "--frobnicate"], 2, "frobnicate"),
        (["resume", "nowhere", "--model", "sim:echo"], 1, "no thread 'nowhere'"),
        (["threads", "rm", "nowhere"], 1, "no thread 'nowhere'"),
        (["compare", "knapsak"], 2, "did you mean knapsack"),
        (["compare", "knapsack", "--modes", "statless"], 2, "did you mean 'stateless'"),
        (["compare", "knapsack", "--prices", "gpt-99"], 2, "gpt-5"),
        (["compare", "knapsack", "--out", "/proc/none"], 2, "cannot be written"),
        (["compare", "knapsack", "--fail-if", "speed > 1"], 2, "there is no figure 'speed'"),
        (["compare", "knapsack", "--fail-if", "usd_increase > 1"], 2, "--baseline FILE"),
        (["compare", "knapsack", "--baseline", "b.json"], 2, "--fail-if"),
        (["compare", "knapsack", "--fail-if", "usd > 1", "--baseline", "b.json"], 2, "b.json is not a result"),
        (["load", "--levels", "many"], 2, "write 1,5,10,25,50"),
        (["run", "hi", "--model", "sim:echo", "--profile", "/proc/none"], 2, "/proc/none cannot be written"),
        (["report", "."], 2, "is not a result of compare or eval"),
        (["replay", "missing.jsonl", "--context-limit", "8000", "--prompts", "p.jsonl"], 1, "no trace file"),
        (["replay", "agents.py", "--context-limit", "8000", "--prompts", "p.jsonl"], 1, "agents.py, line 2"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence_and_the_exit_code_of_the_contract(
    satchel: Run, words: list[str], code: int, says: str
) -> None:
    done = satchel(*words, code=code)
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_doctor_exits_0_when_nothing_is_lost_1_when_something_may_be_and_2_for_no_address(satchel: Run) -> None:
    done = json.loads(satchel("doctor", "--json").stdout)
    assert done["ok"] is True
    assert all(finding["means"] for finding in done["findings"])
    assert "write intents wait for the disk" in satchel("doctor").stdout
    away = satchel("doctor", "--store", "redis://user:secret@127.0.0.1:1/0", code=1)
    assert away.stdout.startswith("unfit")
    assert "secret" not in away.stdout + away.stderr
    satchel("doctor", "--store", "memory://", code=1)
    satchel("doctor", "--store", "nowhere://", code=2)


def test_analyze_names_what_it_cannot_read_and_goes_on_with_the_rest(satchel: Run, tmp_path: Path) -> None:
    (tmp_path / "good.jsonl").write_text(json.dumps(TRACE))
    done = satchel("analyze", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.stdout.startswith("Too short to save anything")
    assert (tmp_path / "out" / "analysis.md").read_text().startswith("# satchel analyze")
    (tmp_path / "bad.jsonl").write_text("{}\n{")
    (tmp_path / "out" / "analysis.json").unlink()
    found = satchel("analyze", str(tmp_path), "--json", code=1)
    assert json.loads(found.stdout)["verdict"]["code"] == "too_short"
    assert "bad.jsonl, line 2: no JSON" in found.stderr
    satchel("analyze", str(tmp_path / "gone.jsonl"), code=1)
    satchel("analyze", str(tmp_path), "--prices", "nobody-knows", code=2)


def test_a_recording_is_played_from_the_command_line_and_options_that_do_not_go_together_are_refused(
    satchel: Run, tmp_path: Path
) -> None:
    words = ("conflicts", "--seeds", "1", "--store", "memory://", "--json")
    first = satchel("compare", *words, "--model", "sim:echo", "--record", str(tmp_path / "tape"))
    again = satchel("compare", *words, "--replay", str(tmp_path / "tape"))
    kinds = [json.loads(done.stdout)["modes"]["stateful"]["kind"] for done in (first, again)]
    assert kinds == ["simulated", "replayed"]
    satchel("eval", *words, "--record", str(tmp_path), code=2)
    satchel("eval", *words, "--model", "sim:echo", "--usd-cap", "1", code=2)
    satchel("compare", *words, "--replay", str(tmp_path / "nothing"), code=1)
