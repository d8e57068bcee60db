"""What an analysis says: the verdict in one sentence, the tables, and what they need to be read with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from satchel.evals.statistics import Estimate
from satchel.evals.verdict import TOLERANCE, change
from satchel.memory.normalise import text as clean

if TYPE_CHECKING:
    from satchel.evals.analyze import Analysis, Figures, Read

Code = Literal["saves", "costs_more", "no_difference", "too_short", "unread"]

CAVEAT = "No model was called: this shows what would have stood in the prompts, not how well the agent would have done."

UNKNOWN = "unknown"


def code(found: Analysis) -> Code:
    """The verdict on exactly these transcripts, by the dollars at the first price row."""
    figures = found.total
    if figures is None:
        return "unread"
    if figures.folds == 0 and figures.ours.input == figures.full.input and found.settings.mode.bounded:
        return "too_short"
    times = _times(figures, found.settings.rows[0].name)
    if times is None or abs(times - 1) < TOLERANCE:
        return "no_difference"
    return "saves" if times < 1 else "costs_more"


def verdict(found: Analysis) -> str:
    """The verdict as one sentence, with dollars, tokens and fidelity."""
    figures, mode, name = found.total, found.settings.mode.name.capitalize(), found.settings.rows[0].name
    if figures is None:
        return "Nothing could be read, so there is no verdict."
    over = f"over {figures.calls:,} calls of {_many(len(found.read), 'transcript')}"
    dollars = f"{change(Estimate(_times(figures, name)), 'dollars')} at {name} with the cached prefix billed"
    sent = change(Estimate(figures.ours.input / max(figures.full.input, 1)), "input tokens")
    kept = _kept(figures)
    match code(found):
        case "too_short":
            return (
                f"Too short to save anything: no prompt {over} outgrew the context limit of {found.settings.limit}"
                " enough for a fold, so every prompt and every dollar is that of the full history."
            )
        case "saves":
            return f"{mode} would have saved: {dollars} and {sent} {over}; {kept}."
        case "costs_more":
            joint = "although it sends" if figures.ours.input < figures.full.input else "and"
            return f"{mode} would have cost more: {dollars}, {joint} {sent}, {over}; {kept}."
    return f"{mode} would have made no clear difference in dollars: {dollars}, {sent} {over}; {kept}."


def _kept(figures: Figures) -> str:
    shares = figures.fidelity.shares()
    if shares["recall"] is None:
        return "no call needed a fact that was told before"
    return (
        f"{_share(shares['recall'])} of the needed facts stood in the prompts, {_share(shares['addressable'])} in them"
        " or behind a handle"
    )


def _times(figures: Figures, name: str) -> float | None:
    ours, full = figures.ours.usd.get(name), figures.full.usd.get(name)
    return None if ours is None or not full else ours / full


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def table(found: Analysis) -> list[list[str]]:
    """The figures as rows of text: a name, full history, the mode, and what was recorded."""
    figures = found.total
    if figures is None:
        return []
    full, ours, recorded = figures.full, figures.ours, figures.recorded
    billed = figures.recorded_calls
    rows = [
        ["", "full history (replayed)", f"{found.settings.mode.name} (replayed)", "recorded (live)"],
        ["model calls", f"{figures.calls:,}", f"{figures.calls:,}", f"{billed:,}" if billed else UNKNOWN],
        ["input tokens", f"{full.input:,}", f"{ours.input:,}", f"{recorded.input:,}" if billed else UNKNOWN],
        ["of which cached", _share(part(full.cached, full.input)), _share(part(ours.cached, ours.input)),
         _share(part(recorded.cache_read, recorded.input)) if billed else UNKNOWN],
        ["largest prompt", f"{full.peak:,}", f"{ours.peak:,}", ""],
    ]  # fmt: skip
    for name, base in full.usd.items():
        bills = [base, ours.usd[name], figures.recorded_usd.get(name)]
        rows.append([f"input at {name}", *(_bill(bill, base) for bill in bills)])
    if billed:
        rows.append(["whole bill", "", "", UNKNOWN if figures.bill is None else f"${figures.bill:,.4f}"])
    rows += [
        [name, _share(None if share is None else 1.0), _share(share), ""]
        for name, share in figures.fidelity.shares().items()
    ]
    return rows


def part(some: int, whole: int) -> float | None:
    """A share, 0..1; None of nothing."""
    return some / whole if whole else None


def _bill(value: float | None, base: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.4f} ({value / base:.3f}\N{MULTIPLICATION SIGN})" if base else f"{value:,.4f}"


def each(found: Analysis, most: int | None = None) -> list[list[str]]:
    """One row for each transcript, up to `most`, under its heads."""
    name = found.settings.rows[0].name
    heads = ["transcript", "format", "calls", "tokens", f"input at {name}", "recall", "complete", "addressable"]
    return [heads, *(_row(one, name) for one in found.read[:most])]


def _row(one: Read, name: str) -> list[str]:
    figures, shares = one.figures, one.figures.fidelity.shares()
    times = _times(figures, name)
    return [
        clean(one.transcript.trajectory.id), one.format, f"{figures.calls:,}",
        f"{figures.ours.input / max(figures.full.input, 1):.3f}", UNKNOWN if times is None else f"{times:.3f}",
        *(_share(shares[key]) for key in ("recall", "complete", "addressable")),
    ]  # fmt: skip


def notes(found: Analysis) -> list[str]:
    """What the figures need to be read with, a sentence each."""
    figures = found.total
    if figures is None:
        return []
    known, ours = (
        _share(part(figures.surface, sent.input) if figures.surface else None) for sent in (figures.full, figures.ours)
    )
    share = f"The share of system text and tool schemas in the full history is {known}, in what would be sent {ours}"
    lacking = Counter(part for one in found.read for part in one.transcript.lacks)
    missing = [f"{part} of {_many(n, 'transcript')}" for part, n in sorted(lacking.items())]
    told = [f"{share}{'; not recorded: ' + ', '.join(missing) if missing else ''}."]
    if figures.unseen:
        told.append(
            f"The first recorded calls were billed for {figures.unseen:,} input tokens more than the transcripts show"
            " of them: text that is not recorded, and the difference between the model's tokens and ours (o200k_base)."
        )
    if figures.compactions:
        told.append(
            f"The recordings were compacted {_many(figures.compactions, 'time')}: the recorded bill is with that, full"
            " history without."
        )
    if found.usd_ci:
        low, high = found.usd_ci
        told.append(f"Dollars relative to full history, 95 % interval over transcripts: {low:.3f} to {high:.3f}.")
    return [*told, CAVEAT]


def markdown(found: Analysis) -> str:
    """The analysis as Markdown."""
    parts = [
        "# satchel analyze",
        f"**{verdict(found)}**",
        *(_grid(rows) for rows in (table(found), each(found)) if rows),
    ]
    parts.append("\n".join(f"- {note}" for note in notes(found)))
    parts.append("\n".join(f"- not read: {_cell(why)}" for _, why in found.failed))
    return "\n\n".join(filter(None, parts)) + "\n"


def _grid(rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(map(_cell, row)) for row in rows]
    rule = "|".join(["---"] + ["---:"] * (len(rows[0]) - 1))
    return "\n".join(f"| {line} |" for line in lines[:1]) + f"\n|{rule}|\n" + "\n".join(f"| {ln} |" for ln in lines[1:])


def _cell(value: str) -> str:
    """Text of a stranger in a table of ours: one line, and no mark-up of its own."""
    line = "".join(c if c.isprintable() else " " for c in clean(value))
    return "".join(f"\\{c}" if c in "\\|<>[]*_`" else c for c in line)
