"""Our analysis held against an independent judge of prompts, which never sees our code: figures within 1 %.

    python -m tests.evals.against_judge --judge JUDGE.py FILE...

JUDGE.py takes `--traces F --prompts F --vault F --json OUT` and writes `rows.all` with its shares in per cent. Files
that are no traces are written as traces first, as we read them. Exit code 1 if a figure differs by more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from satchel.evals.analyze import LIMIT, Analysis, Settings, analyze
from satchel.evals.replay import Replay, replay_files
from satchel.evals.transcripts import formats
from satchel.runtime.mode import mode

ROWS = {"c=.10,w=1.25": "$c=.10 w=1.25", "gpt-5": "$gpt-5", "no-cache": "$no-cache"}
"""Our price rows and how the judge calls them."""

MOST = 0.01


def written(path: Path, folder: Path) -> Path:
    """The file as traces, one trajectory a line."""
    out = folder / "traces.jsonl"
    _, runs = formats.read(path)
    with out.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for run in runs:
            found = run.trajectory
            line = {"id": found.id, "source": "own", "tools": list(found.tools) or None,
                    "messages": [m.wire() for m in found.messages]}  # fmt: skip
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return out


def ours(found: Analysis) -> dict[str, float | None]:
    """Our figures by the judge's names."""
    total = found.total
    assert total is not None, found.failed
    shares = {name: None if share is None else 100 * share for name, share in total.fidelity.shares().items()}
    costs = {theirs: (total.ours.usd[name] or 0) / (total.full.usd[name] or 1) for name, theirs in ROWS.items()}
    return {
        "calls": total.calls, "in": total.ours.input, "peak": total.ours.peak,
        "/full": total.ours.input / total.full.input, "cached": 100 * total.ours.cached / total.ours.input,
        **costs, **shares,
    }  # fmt: skip


def judged(judge: Path, traces: Path, folder: Path, name: str, limit: str) -> Mapping[str, Any]:
    """The judge's figures on the prompts of a replay."""
    prompts, vault, out = folder / "prompts.jsonl", folder / "vault.jsonl", folder / "judged.json"
    replay_files(Replay(mode(name), limit), [traces], prompts, vault)
    files: list[str | Path] = ["--traces", traces, "--prompts", prompts, "--vault", vault, "--json", out]
    subprocess.run([sys.executable, judge, *files], check=True, stdout=subprocess.DEVNULL, cwd=judge.parent)
    rows: Mapping[str, Any] = json.loads(out.read_text())["rows"]["all"]
    return rows


def main() -> int:
    """Compare file by file, and print the largest difference of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--mode", default="stateful")
    parser.add_argument("--context-limit", default=LIMIT)
    parser.add_argument("files", type=Path, nargs="+")
    asked = parser.parse_args()
    settings = Settings.of(asked.mode, asked.context_limit, ROWS)
    worst = 0.0
    for path in formats.files(asked.files):
        with TemporaryDirectory() as folder:
            traces = written(path, Path(folder))
            theirs = judged(asked.judge.resolve(), traces, Path(folder), asked.mode, asked.context_limit)
        gaps = {}
        for name, value in ours(analyze(settings, [path])).items():
            other = theirs[name]
            both = value is not None and not isnan(other)  # where no call needed a fact, both have nothing to say
            gaps[name] = abs(value - other) / (other or 1) if both else float((value is None) != isnan(other))
        name = max(gaps, key=gaps.__getitem__)
        worst = max(worst, gaps[name])
        sys.stdout.write(f"{path.name}: {len(gaps)} figures, largest difference {gaps[name]:.4%} ({name})\n")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
