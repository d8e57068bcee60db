"""`satchel threads`: list, show, fork, export, import, prune and remove what a store keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from satchel.memory.store import Store

app = typer.Typer(
    help="List, show, fork, export, import, prune and remove stored threads.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

StoreAt = Annotated[str | None, typer.Option("--store", metavar="URL", help="redis://, rediss://, unix://, memory://.")]
At = Annotated[int | None, typer.Option("--at", metavar="N", help="Entries to share; else all up to its last turn.")]
Name = Annotated[str | None, typer.Option("--thread", help="The new thread's name; if not given, one derived.")]
Older = Annotated[str | None, typer.Option("--older-than", metavar="SPAN", help="Without a commit for 12h, 30d, 2w.")]
Outcome = Annotated[str | None, typer.Option(help="Only threads whose last run ended so, for example done.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def open_store(url: str | None) -> Callable[[], Awaitable[Store]]:
    """What opens the store at a URL."""

    async def opening() -> Store:
        from satchel.runtime import stores

        return await stores.open_store(url)

    return opening


@app.command("ls")
def ls(store: StoreAt = None, as_json: AsJson = False) -> None:
    """List the stored threads, those too that hold LangGraph checkpoints alone."""
    from satchel import console, shelf

    rows = asyncio.run(shelf.rows(open_store(store)))
    if as_json:
        console.document(rows)
        return
    for row in rows:
        console.out(shelf.tell(row))


@app.command()
def show(thread: str, store: StoreAt = None, as_json: AsJson = False) -> None:
    """Print a thread's log."""
    from satchel import console, shelf

    entries = asyncio.run(shelf.entries(open_store(store), thread))
    if as_json:
        console.document(entries)
        return
    for entry in entries:
        console.out(shelf.line(entry))


@app.command()
def fork(
    thread: str,
    new: str,
    at: Annotated[
        int | None, typer.Option(metavar="N", help="Entries to share; all up to its last turn if not given.")
    ] = None,
    store: StoreAt = None,
    as_json: AsJson = False,
) -> None:
    """Make a new thread that begins as another one and shares its entries."""
    from satchel import console, shelf

    shared = asyncio.run(shelf.fork(open_store(store), thread, new, at))
    if as_json:
        console.document({"thread": new, "from": thread, "entries": shared})
    else:
        console.say(f"forked {thread} at entry {shared} as {new}")


@app.command("export")
def export(
    thread: str,
    file: Annotated[str, typer.Argument(help="A file that is not there yet; - is stdout. It is not encrypted.")],
    store: StoreAt = None,
    as_json: AsJson = False,
) -> None:
    """Write a thread, whole, to one file."""
    from satchel import console, shelf
    from satchel.memory.errors import ConfigError

    if as_json and file == shelf.PIPE:
        raise ConfigError("--json and the thread itself cannot both go to stdout; name a file")
    about = asyncio.run(shelf.write(open_store(store), thread, file))
    if as_json:
        console.document(about)
    else:
        console.say(f"exported {thread}: {about['entries']} entries, {about['fields']} fields")


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="A file that `export` wrote; - is stdin.")],
    thread: Annotated[str | None, typer.Option(help="The new thread's name; if not given, one derived.")] = None,
    store: StoreAt = None,
    as_json: AsJson = False,
) -> None:
    """Make a new thread of a file; its spending is kept, so budgets hold."""
    from satchel import console, shelf

    row = asyncio.run(shelf.read(open_store(store), file, thread))
    if as_json:
        console.document(row)
    else:
        console.out(row["thread"])


@app.command()
def rm(thread: str, store: StoreAt = None, as_json: AsJson = False) -> None:
    """Remove a thread and everything it holds; its forks keep what they share with it."""
    from satchel import console, shelf

    asyncio.run(shelf.delete(open_store(store), thread))
    if as_json:
        console.document({"removed": thread})
    else:
        console.say(f"removed {thread}")


@app.command()
def prune(
    older_than: Annotated[str | None, typer.Option(metavar="SPAN", help="Without a commit for 12h, 30d, 2w.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only threads whose last run ended so, for example done.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    store: StoreAt = None,
    as_json: AsJson = False,
) -> None:
    """Remove expired threads and those that match every option; without options expired ones alone."""
    from satchel import console, shelf

    done = asyncio.run(shelf.prune(open_store(store), older_than, outcome, dry=dry_run))
    if as_json:
        console.document(done)
        return
    for row in done["removed"]:
        console.out(shelf.tell(row))
    verb = "would remove" if dry_run else "removed"
    console.say(f"{verb} {len(done['removed'])} threads, {len(done['expired'])} expired, {len(done['held'])} are held")
