"""A run as the fields of its thread's hash have it."""

from __future__ import annotations

from collections.abc import Sequence

from satchel.memory.runs import RunRow

FIELDS = ("s", "n", "c", "d", "u", "e", "r")
"""What stands beside a run's document; `run_scripts` says what each is."""


def row_of(run: str, kept: Sequence[bytes | None]) -> RunRow:
    """A run from its document and the values of its fields."""
    doc, status, attempt, cancel, due, updated, error, read = kept
    return RunRow(
        run, doc or b"", (status or b"").decode(), int(attempt or 0), (cancel or b"").decode(), int(due or 0),
        int(updated or 0), error or b"", read is not None,
    )  # fmt: skip
