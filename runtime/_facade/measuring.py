"""The commands that measure: suites, compare, eval, report, load, bench."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from satchel.options import (
    Cap,
    Curve,
    Earlier,
    FailIf,
    History,
    Limit,
    Live,
    Out,
    Prices,
    Profile,
    Record,
    Recorded,
    Seeds,
    Workers,
)
from satchel.threads import AsJson, StoreAt

app = typer.Typer(rich_markup_mode=None)


@app.command()
def suites(as_json: AsJson = False) -> None:
    """List the task families that `compare` runs, with their tags and their cases in the golden set."""
    from satchel import pairing

    pairing.suites(as_json=as_json)


def _shared(
    seeds: Seeds = None,
    prices: Prices = None,
    context_limit: Limit = None,
    curve: Curve = None,
    out: Out = None,
    workers: Workers = None,
    model: Live = None,
    record: Record = None,
    replayed: Recorded = None,
    usd_cap: Cap = None,
    baseline: Earlier = None,
    fail_if: FailIf = None,
    history: History = None,
    store: StoreAt = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """The options of every command that runs a suite."""


def _with_shared(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the shared options behind its own, which it takes as one dictionary."""
    own = [p for p in signature(command, eval_str=True).parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
    behind = signature(_shared, eval_str=True).parameters.values()
    command.__signature__ = Signature([*own, *behind])  # type: ignore[attr-defined]  # typer reads the signature there
    return command


def _measured(suite: str, modes: str, given: dict[str, Any], *, against: bool) -> None:
    """Run a suite in these modes, `against` the baseline or by themselves; tell, keep and judge the result."""
    from satchel import console, pairing
    from satchel.evals.history import prepare

    out, as_json = given["out"], given["as_json"]
    gate = pairing.gate(given["fail_if"], given["baseline"])
    if given["history"]:
        prepare(given["history"])
    workers = pairing.processes(given["workers"], given["profile"])
    with console.profiled(given["profile"]):
        running = pairing.compare(
            suite, modes, given["seeds"], given["prices"], given["context_limit"], out, given["store"],
            curve=given["curve"], workers=workers, baseline=against, quiet=as_json,
            model=pairing.player(given["model"], given["record"], given["replayed"], given["usd_cap"]),
        )  # fmt: skip
        data = asyncio.run(running).to_json()
    pairing.tell(data, out, as_json=as_json)
    raise typer.Exit(pairing.conclude(data, gate, out=out, history=given["history"]))


@app.command()
@_with_shared
def compare(
    suite: str,
    modes: Annotated[str, typer.Option(help="Modes to pair with stateless, by task and seed.")] = "stateful,stateless",
    **given: Any,
) -> None:
    """Run a suite, or `golden`, in several modes, paired by task and seed, and say what state saves, or costs."""
    _measured(suite, modes, given, against=True)


@app.command("eval")
@_with_shared
def evaluate(
    suite: str,
    mode: Annotated[str, typer.Option("--mode", help="The one mode to run.")] = "stateful",
    **given: Any,
) -> None:
    """Run a suite, or `golden`, in one mode and print its measures."""
    if "," in mode:
        raise typer.BadParameter("this runs one mode; `satchel compare` pairs several", param_hint="--mode")
    _measured(suite, mode, given, against=False)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The --out folder of a comparison.")],
    into: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rewrite the table of this command in a Markdown file.")
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Write each chart as PNG, too (extra `plots`).")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the pages of a report again from its result.json, and print it."""
    from satchel import pairing
    from satchel.evals.report import read_result, rewrite, write_pictures, write_report

    data = read_result(folder)
    write_report(data, folder)
    if png:
        write_pictures(data, folder)
    if into:
        rewrite(data, into)
    pairing.tell(data, folder, as_json=as_json)


@app.command()
def load(
    levels: Annotated[str, typer.Option(metavar="N,...", help="Runs at the same time, level by level.")] = (
        "1,5,10,25,50"
    ),
    latency: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Of each answer of the model.")] = 0.05,
    turns: Annotated[int, typer.Option(min=1, help="Model calls of a run.")] = 6,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each worker, one after the other.")] = 4,
    mode: Annotated[str, typer.Option("--mode")] = "stateful",
    store: StoreAt = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Ramp up concurrent runs against a simulated model: latencies, errors, breaking point, overhead."""
    from satchel import console, loading

    with console.profiled(profile):
        found = asyncio.run(loading.load(levels, latency, turns, runs, mode, store))
    loading.tell(found, as_json=as_json)


@app.command()
def bench(store: StoreAt = None, as_json: AsJson = False) -> None:
    """Measure a turn and an append beside the barest thing that does the same; read the ratios."""
    from satchel import loading

    loading.tell_ratios(asyncio.run(loading.bench(store)), as_json=as_json)
