"""Options that several commands have, each named once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AgentAt = Annotated[str | None, typer.Option("--agent", metavar="MODULE:ATTR", help="An Agent to import.")]
Model = Annotated[str | None, typer.Option(help="provider:model, or sim:echo, which needs no key.")]
ModeName = Annotated[str | None, typer.Option("--mode", help="stateful, stateless, or a baseline by name.")]
Limits = Annotated[str | None, typer.Option("--budget", metavar="NAME=N,...", help="For example steps=40,usd=0.5.")]
Limit = Annotated[
    str | None,
    typer.Option("--context-limit", metavar="N|+N", help="Tokens, everything counted; +N: beyond the fixed surface."),
]
Curve = Annotated[
    str | None,
    typer.Option("--curve", metavar="N|+N,...", help="Run at these context limits, too: success by limit, and B99."),
]
FoldEvery = Annotated[
    str | None,
    typer.Option("--fold", metavar="auto|N", help="Fold when the prices say it pays, or after every N turns."),
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Seeds of each case: 40, or 3 of the golden set.")]
Prices = Annotated[
    str | None,
    typer.Option(metavar="ROW,...", help="Price rows, as c=.10,w=1.25,gpt-5; the first times folds."),
]
Out = Annotated[Path | None, typer.Option(help="Folder for the report, result.json and each trial as it comes.")]
Live = Annotated[str | None, typer.Option("--model", help="A live model, provider:model, in place of the policies.")]
Record = Annotated[Path | None, typer.Option(metavar="DIR", help="Write the live model's calls to a cassette there.")]
Recorded = Annotated[
    Path | None, typer.Option("--replay", metavar="DIR", help="Play the cassette there, without a key.")
]
Cap = Annotated[float | None, typer.Option(min=0, help="Dollars that all calls of the live model may cost together.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes: 1, or for golden one a core; 1 with --model.")]
FailIf = Annotated[
    str | None,
    typer.Option(
        "--fail-if", metavar="EXPR", help="Exit 4 if it holds: 'success_drop > 0.02 or slice(\"long\").usd > 1'."
    ),
]
Earlier = Annotated[
    Path | None, typer.Option("--baseline", metavar="FILE", help="An earlier result.json, for _drop and _increase.")
]
History = Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the result here under its commit, too.")]
Profile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a flame graph (.html, or .json for speedscope), of one process."),
]
