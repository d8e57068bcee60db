"""Assembling a prompt takes as long late in a thread as early on."""

from __future__ import annotations

from satchel.evals.assembly import measure


def test_the_time_of_a_turn_does_not_grow_with_the_thread() -> None:
    found = measure(120, 6_000, 2)
    assert any(folded for thread in found.threads for _, folded in thread)
    assert found.around(110) < 2 * found.around(10)  # the figure itself is told by the command, on an idle machine
    assert found.all < found.folds
