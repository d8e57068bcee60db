"""The command line `satchel`. Commands import what they need inside, so that `--help` answers at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from satchel import measuring, threads
from satchel.options import AgentAt, FoldEvery, Limit, Limits, Model, ModeName, Prices, Profile
from satchel.threads import AsJson, StoreAt

if TYPE_CHECKING:
    from collections.abc import Coroutine

app = typer.Typer(
    name="satchel",
    help="An agent runtime that packs light: persistent state, bounded prompts, and an honest bill.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(measuring.app)
app.add_typer(threads.app, name="threads")


def _version(asked: bool) -> None:  # noqa: FBT001 - the signature of a callback
    if asked:
        from importlib.metadata import version

        typer.echo(f"satchel {version('satchel')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which version this is.")
    ] = False,
) -> None:
    """See `app`, which has the help."""


@app.command()
def run(
    task: str,
    agent: AgentAt = None,
    model: Model = None,
    mode: ModeName = None,
    thread: Annotated[str | None, typer.Option(help="The thread to run on; a new one if not given.")] = None,
    budget: Limits = None,
    context_limit: Limit = None,
    fold: FoldEvery = None,
    store: StoreAt = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Give an agent a task and drive it to an outcome."""
    from satchel import console, driving

    made = driving.agent(
        agent, model=model, mode=mode, budget=budget, context_limit=context_limit, fold=fold, store=store
    )
    with console.profiled(profile):
        code = _wait(driving.follow(made, made.astream(task, thread=thread), as_json=as_json))
    raise typer.Exit(code)


@app.command()
def resume(
    thread: str,
    agent: AgentAt = None,
    model: Model = None,
    mode: ModeName = None,
    add_budget: Annotated[str | None, typer.Option(metavar="NAME=N,...", help="Raise the run's limits.")] = None,
    context_limit: Limit = None,
    fold: FoldEvery = None,
    store: StoreAt = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a thread after a crash, a pause or a budget stop."""
    from satchel import driving
    from satchel.runtime.budget import Budget

    made = driving.agent(agent, model=model, mode=mode, context_limit=context_limit, fold=fold, store=store)
    events = made.astream_resume(thread, add_budget=Budget.parse(add_budget) if add_budget else None)
    raise typer.Exit(_wait(driving.follow(made, events, as_json=as_json)))


@app.command()
def replay(
    traces: Annotated[list[Path], typer.Argument(metavar="TRACE...", help="Trace files: .jsonl or .jsonl.gz.")],
    context_limit: Annotated[
        str, typer.Option("--context-limit", metavar="N|+N", help="Tokens; +N: beyond the fixed surface.")
    ],
    prompts: Annotated[Path, typer.Option(metavar="OUT", help="Where the prompts go, as JSON lines (.gz: gzip).")],
    mode: Annotated[str, typer.Option("--mode")] = "stateful",
    vault: Annotated[Path | None, typer.Option(metavar="OUT", help="Where the texts behind the handles go.")] = None,
    prices: Annotated[str, typer.Option(metavar="ROW", help="The price row that folds are timed by.")] = "c=.10,w=1.25",
    fold: FoldEvery = None,
    as_json: AsJson = False,
) -> None:
    """Run the context engine over recorded trajectories and write what would have been sent."""
    from satchel import console
    from satchel.evals.replay import Replay, replay_files
    from satchel.runtime.context.controller import Rates
    from satchel.runtime.mode import mode as mode_named
    from satchel.runtime.prices import row
    from satchel.runtime.spec import AUTO, interval

    settings = Replay(mode_named(mode), context_limit, Rates(*row(prices).rates), interval(fold or AUTO))
    total = replay_files(settings, traces, prompts, vault)
    if as_json:
        console.document(total)
    else:
        share = f"{total['surface'] / max(1, total['tokens']):.0%} of them system text and tool schemas"
        said = "{trajectories} trajectories, {calls} prompts, {tokens:,} tokens in, {share}, {folds} folds"
        console.say(said.format(**total, share=share))


@app.command("analyze")
def analyse(
    transcripts: Annotated[list[Path], typer.Argument(metavar="TRANSCRIPT...", help="Files, or folders of them.")],
    mode: Annotated[str, typer.Option("--mode", help="What to hold against the full history.")] = "stateful",
    context_limit: Limit = None,
    prices: Prices = None,
    out: Annotated[Path | None, typer.Option(help="Folder for analysis.json and analysis.md.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what state would have saved on transcripts that you have, and what it would have lost. No model is called."""
    from satchel import analyzing

    raise typer.Exit(analyzing.run(transcripts, mode, context_limit, prices, out, as_json=as_json))


@app.command()
def doctor(store: StoreAt = None, as_json: AsJson = False) -> None:
    """Say what in the store may lose data, what that means, and what to do."""
    from dataclasses import asdict

    from satchel import console
    from satchel.memory.doctor import examine
    from satchel.runtime.settings import Settings

    findings = _wait(examine(store or Settings().store))
    well = all(finding.state == "ok" for finding in findings)
    if as_json:
        console.document({"ok": well, "findings": [asdict(finding) for finding in findings]})
    else:
        for one in findings:
            todo = f" -> {one.todo}" if one.todo else ""
            console.out(f"{one.state:8} {one.subject:13} {one.found}: {one.means}{todo}")
    raise typer.Exit(console.OK if well else console.FAILED)


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@app.command()
def serve(
    agent: AgentAt = None,
    model: Model = None,
    host: Annotated[str, typer.Option(help="The address to listen on; another than this machine's own needs keys.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535)] = 2024,
    store: StoreAt = None,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The digests of the API keys that may call; see `satchel key`.")
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(metavar="MODULE:ATTR", help="A langgraph_sdk.Auth, or a coroutine from a token to its tenant."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Let browsers call from pages of this origin; again for more."),
    ] = None,
    unprotected: Annotated[
        bool, typer.Option("--open", help="Listen elsewhere without authentication: whoever gets there may do all.")
    ] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines, with run and trace ids.")] = False,
) -> None:
    """Serve an agent, a LangGraph graph, or a dict of names to these, over LangGraph's API."""
    from satchel import driving

    driving.serve(
        agent, model=model, host=host, port=port, store=store, keys=keys, auth=auth, origins=origin or (),
        unprotected=unprotected, log_json=log_json,
    )  # fmt: skip


@app.command()
def key(
    tenant: Annotated[str, typer.Option(help="Whose key it is: what a tenant keeps is its own.")],
    keys: Annotated[Path, typer.Option(metavar="FILE", help="The file that `satchel serve --keys` reads.")],
) -> None:
    """Make an API key: it is printed once, the file keeps its digest."""
    from satchel import console, driving

    console.out(driving.key(tenant, keys))
    console.say(f"a key of {tenant}, told once: {keys} keeps its digest alone; take its line away to revoke it")


def main() -> int:
    """Run the command line and return its exit code; an error of ours is one sentence on stderr."""
    from satchel import console

    try:
        code: int = app(standalone_mode=False) or console.OK  # what a command exits with comes back as a number
    except Exception as error:  # noqa: BLE001 - the last resort: told in one sentence below, or raised again
        return console.explain(error)
    if code == console.INTERRUPTED:
        console.say("interrupted")
    return code
