"""What the command line shows of an analysis of transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from satchel import console
from satchel.evals.analysis_file import document, write
from satchel.evals.analysis_text import each, notes, table, verdict
from satchel.evals.analyze import LIMIT, Settings, analyze
from satchel.pairing import grid, split_rows
from satchel.runtime.prices import STANDING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST = 30
"""Transcripts of which the terminal shows a line."""


def run(
    paths: Sequence[Path], mode: str, limit: str | None, prices: str | None, out: Path | None, *, as_json: bool
) -> int:
    """Analyse files and folders and print what that gives; the exit code: failed if one could not be read."""
    rows = split_rows(prices) if prices else STANDING
    found = analyze(Settings.of(mode, limit or LIMIT, rows), paths)
    if out:
        write(found, out)
    for _, why in found.failed:
        console.say(f"not read: {console.short(why, 500)}")
    if as_json:
        console.document(document(found))
    else:
        console.out(verdict(found))
        if found.read:
            lines = [[console.short(cell) for cell in row] for row in each(found, MOST)]
            console.out(f"\n{grid(table(found))}\n\n{grid(lines)}")
            left = len(found.read) - MOST
            console.out(f"... and {left:,} more; --out or --json has them all\n" if left > 0 else "")
            console.out("\n".join(notes(found)))
        if out:
            console.out(f"Written: {(out / 'analysis.md').resolve()}")
    return console.FAILED if found.failed else console.OK
