"""How many of a model's tokens one of ours is: learned from reports, a function of the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.memory.records import Reply, Usage
from satchel.runtime.budget import SAFETY
from satchel.runtime.calibration import MARGIN, Calibration

NEW = Calibration("claude", exact=False)


def reply(counted: int, reported: int, model: str = "claude") -> Reply:
    return Reply(step=0, text="", model=model, usage=Usage(fresh=reported), counted=counted)


def learned(*pairs: tuple[int, int]) -> Calibration:
    found = NEW
    for counted, reported in pairs:
        found = found.replied(reply(counted, reported))
    return found


def test_until_the_first_report_counts_are_raised_by_a_safety_factor() -> None:
    assert NEW.factor == SAFETY
    assert learned((0, 0)).factor == SAFETY
    assert NEW.replied(reply(100, 300, model="other")).factor == SAFETY


def test_a_counter_that_is_the_model_s_own_is_believed() -> None:
    own = Calibration("gpt-5", exact=True)
    assert own.replied(reply(100, 300, model="gpt-5")).factor == 1.0


def test_the_largest_prompts_decide_since_a_fixed_surcharge_weighs_less_in_them() -> None:
    assert learned((100, 450)).factor == pytest.approx(4.5 * MARGIN)
    assert learned((100, 450), (4000, 4800)).factor == pytest.approx(1.2 * MARGIN)
    assert learned((100, 450), (4000, 4800), (2100, 2940)).factor == pytest.approx(1.4 * MARGIN)
    assert learned((4000, 2000)).factor == 1.0


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 20_000)), min_size=1, max_size=30))
def test_what_is_forgotten_would_not_have_mattered(pairs: list[tuple[int, int]]) -> None:
    half = max(counted for counted, _ in pairs) / 2
    largest = max(reported / counted for counted, reported in pairs if counted >= half)
    assert learned(*pairs).factor == pytest.approx(max(1.0, largest * MARGIN))
