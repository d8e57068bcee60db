"""A gate reads names, numbers and comparisons, runs no code, and passes only what is known to hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from satchel.evals.figures import FIGURES, NAMES, Readings
from satchel.evals.gate import Check, Gate, junit
from satchel.evals.history import keep
from satchel.memory.errors import ConfigError

Data = dict[str, Any]


def trial(mode: str, seed: int, **changes: Any) -> Data:
    made: Data = {
        "suite": "made", "case": f"made-{seed}", "seed": seed, "mode": mode, "success": 1.0, "solved": True,
        "outcome": "done", "usd": {"row": 2.0}, "input_tokens": 100, "output_tokens": 10, "peak_tokens": 60,
        "model_calls": 2, "tool_calls": 3, "repeated_tool_calls": 0, "seconds": 1.0 + seed, "store_bytes": 10,
        "first_reply_seconds": 0.1 * (seed + 1), "round_trips": 5, "tags": ["short" if seed % 2 else "long"],
        "turns": [[100, 0, 10, 0]],
    }  # fmt: skip
    return made | changes


def result(seeds: int = 10, mode: str = "stateful", **changes: Any) -> Data:
    trials = [trial("stateless", n) for n in range(seeds)] + [trial(mode, n, **changes) for n in range(seeds)]
    return {"suite": "made", "git": "abc", "prices": ["row"], "modes": {"stateless": {}, mode: {}}, "trials": trials}


def failed(text: str, now: Data | None = None, before: Data | None = None) -> bool:
    checks = Gate(text, earlier=before is not None).check(Readings.of(now or result(), before))
    return any(check.failed for check in checks)


def test_a_drop_in_success_and_a_rise_in_dollars_are_held_against_an_earlier_result() -> None:
    gate = "success_drop > 0.02 or usd_increase > 0.05"
    assert not failed(gate, result(success=0.98, usd={"row": 2.1}), result())
    assert failed(gate, result(success=0.97), result())
    assert failed(gate, result(usd={"row": 2.2}), result())
    assert not failed(gate, result(success=1.0), result(success=0.5))


def test_a_cheap_failure_passes_no_gate_on_costs() -> None:
    cheap = result(usd={"row": 1.8})
    for one in [t for t in cheap["trials"] if t["mode"] == "stateful"][:4]:
        one |= {"success": 0.0, "solved": False, "usd": {"row": 0.1}, "model_calls": 1, "seconds": 0.0}
    for text, earlier in (("usd_ratio < 0.92 or model_calls_ratio < 1", None), ("usd_increase < -0.08", result())):
        assert not failed(text, cheap, earlier), "four that gave up early save nothing"
    assert failed("usd_ratio < 0.95", cheap), "what the others saved still counts"
    assert failed("usd < 1.2", cheap), "a figure by itself is what was spent"
    both = result(success=0.5, solved=False, usd={"row": 1.0})
    assert failed("usd_increase <= -0.5", both, result(success=0.5, solved=False)), "neither solved it"


def test_only_tasks_that_both_results_have_are_compared() -> None:
    now, before = result(10), result(5)
    for one in now["trials"]:
        one["success"] = 1.0 if one["seed"] < 5 else 0.0
    assert not failed("success_drop > 0", now, before)
    for one in before["trials"]:
        one["case"] = "other"
    with pytest.raises(ConfigError, match="no trial of made"):
        failed("success_drop > 0", now, before)


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("usd > 1", True),
        ("usd > 1 and success < 1", False),
        ("not success == 1", False),
        ("not (usd < 1 or seconds > 100)", True),
        ("1 < usd < 3", True),
        ("completion < 1", False),
        ("usd_ratio >= 1 and success_loss <= 0", True),
        ("-1 > usd", False),
        ("seconds_p95 == 10 and seconds_p50 == 5", True),
        ("first_reply_p95 > 0.99", True),
        ('slice("short").seconds > slice("long").seconds', True),
    ],
)
def test_the_grammar_is_that_of_comparisons(text: str, *, fails: bool) -> None:
    assert failed(text) is fails


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_read(name: str) -> None:
    assert Readings.of(result(), None).read(name) is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("succes < 1", "did you mean success"),
        ("usd", "is no comparison"),
        ("", "cannot be read"),
        ("usd >", "cannot be read"),
        ("(" * 1900, "cannot be read"),
        ("usd > 1" + " or usd > 1" * 300, "are enough"),
        ("__import__('os').system('true') == 0", "is no number"),
        ("[x for x in y] == 1", "is no number"),
        ("usd is 1", "is no comparison"),
        ("usd > True", "is no number"),
        ("slice(usd).usd > 1", "is no number"),
        ("success.__class__ > 1", "is no number"),
        ("usd_increase > 1", "--baseline"),
    ],
)
def test_anything_else_is_a_usage_error(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Gate(text)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ConfigError) as caught:
        Gate("speed > 1")
    assert all(name in str(caught.value) for name in NAMES)


def test_an_unknown_tag_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match="there are: long, short"):
        failed('slice("medium").usd > 1')


def test_what_is_unknown_fails_and_says_so() -> None:
    now = result(usd={"row": None})
    (check,) = Gate("not usd > 100").check(Readings.of(now, None))
    assert check == Check("not usd > 100", failed=True, why="usd is unknown")


def test_junit_has_a_case_for_each_clause_and_survives_any_text() -> None:
    checks = Gate("success < 0.5 or usd > 1").check(Readings.of(result(), None))
    root = ET.fromstring(junit(checks, 'a<b>"\x00\x1b\ufffe'))  # noqa: S314 - our own document
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert [case.get("name") for case in root.iter("testcase")] == ["not (success < 0.5)", "not (usd > 1)"]
    assert [failure.get("message") for failure in root.iter("failure")] == ["usd is 2"]


def test_a_result_is_kept_by_its_commit_and_is_a_baseline(tmp_path: Path) -> None:
    path = keep(result(), tmp_path / "new")
    assert path.name == "made-abc.json"
    assert not failed("usd_increase > 0", before=json.loads(path.read_text()))
    with pytest.raises(ConfigError, match="no git checkout"):
        keep(result() | {"git": None}, tmp_path)
