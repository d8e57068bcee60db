"""An analysis as one versioned JSON document, and the files it is written to."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from satchel.evals.analysis_text import code, markdown, notes, part, verdict
from satchel.memory.errors import ConfigError
from satchel.memory.normalise import text as clean

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.evals.analyze import Analysis, Figures
    from satchel.memory.records import Json

SCHEMA = "satchel.analyze/1"
"""The version of analysis.json."""


def document(found: Analysis) -> dict[str, Json]:
    """The analysis as one JSON document; relative dollars are in millions of uncached input tokens."""
    total = found.total
    return {
        "schema": SCHEMA,
        "kind": "replayed",
        "mode": found.settings.mode.name,
        "context_limit": found.settings.limit,
        "prices": [price.name for price in found.settings.rows],
        "verdict": {"code": code(found), "text": verdict(found)},
        "total": _figures(total) if total else None,
        "usd_ci": found.usd_ci,
        "notes": notes(found),
        "transcripts": [
            {
                "file": clean(one.file), "id": clean(one.transcript.trajectory.id), "format": one.format,
                "model": one.transcript.model, "lacks": list(one.transcript.lacks), **_figures(one.figures),
            }
            for one in found.read
        ],
        "failed": [{"file": clean(file), "why": clean(why)} for file, why in found.failed],
    }  # fmt: skip


def _figures(figures: Figures) -> dict[str, Json]:
    billed = figures.recorded_calls > 0
    return {
        "calls": figures.calls,
        "folds": figures.folds,
        "full": _sent(asdict(figures.full), "replayed"),
        "ours": _sent(asdict(figures.ours), "replayed"),
        "recorded": {
            "kind": "live", "calls": figures.recorded_calls, "input": figures.recorded.input,
            "cached": figures.recorded.cache_read, "output": figures.recorded.output + figures.recorded.reasoning,
            "usd": dict(figures.recorded_usd), "bill": figures.bill,
        } if billed else None,
        "fidelity": {**figures.fidelity.shares(), "facts": figures.fidelity.facts, "calls": figures.fidelity.calls},
        "fixed_share": part(figures.surface, figures.full.input),
        "fixed_share_ours": part(figures.surface, figures.ours.input),
        "unseen": figures.unseen,
        "compactions": figures.compactions,
    }  # fmt: skip


def _sent(raw: dict[str, Json], kind: str) -> dict[str, Json]:
    return {"kind": kind, **raw, "usd": dict(raw["usd"])}


def write(found: Analysis, out: Path) -> None:
    """Write `analysis.json` and `analysis.md` into a folder, which is made if need be. Raises `ConfigError`."""
    texts = {
        "analysis.json": json.dumps(document(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "analysis.md": markdown(found),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the analysis cannot be written to {out}: {error.strerror}; name another folder") from None
