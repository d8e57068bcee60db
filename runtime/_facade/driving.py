"""What the command line does to drive an agent: make or import it, follow its run, tell how it ended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext, redirect_stdout
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Any

from satchel import console
from satchel.memory.errors import ConfigError, SatchelError
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.events import Event, RunEnded


def agent(at: str | None, *, model: str | None, budget: str | None = None, **changes: Any) -> Agent:
    """The agent that was asked for, with what the command line changes about it. Raises `ConfigError`."""
    given = {name: value for name, value in changes.items() if value is not None}
    if budget is not None:
        given["budget"] = Budget.parse(budget)
    if telemetry := _telemetry():
        given["listeners"] = [telemetry.agent()]
    if at is None:
        if model is None:
            raise ConfigError("name an agent with --agent module:attr, or a model with --model (sim:echo needs no key)")
        return Agent(model, **given)
    found = _load(at)
    if not isinstance(found, Agent):
        raise ConfigError(f"{at} is of type {type(found).__name__}, not an Agent")
    return found.but(**given, **({"model": model} if model else {}))


def _load(at: str) -> object:
    module, _, name = at.partition(":")
    sys.path.insert(0, "")  # as `python -m` does: the user's own module stands in the working directory
    try:
        return getattr(import_module(module), name or "agent")
    except SatchelError:
        raise  # an agent that cannot be made says so itself
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module of the user's may raise anything
        *_, last = extract_tb(error.__traceback__)
        if last.filename == __file__ or last.filename.startswith("<frozen"):  # it was never begun
            raise ConfigError(f"{at} cannot be loaded: {error}; write module:attr, as in my_agents:support") from None
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        raise ConfigError(f"{at} cannot be loaded: {last.filename}, line {last.lineno}: {what}") from None


def serve(
    at: str | None,
    *,
    model: str | None,
    host: str,
    port: int,
    store: str | None,
    keys: Path | None,
    auth: str | None,
    origins: Sequence[str],
    unprotected: bool,
    log_json: bool,
) -> None:
    """Serve what was asked for until the process is told to end.

    Raises `ConfigError` without the extra `service`, and for an address that others reach without authentication.
    """
    try:
        from satchel.runtime.service import app
        from satchel.runtime.service.logs import structured
        from satchel.runtime.service.serving import door
        from satchel.runtime.service.serving import serve as run
    except ImportError as error:
        raise ConfigError(f"satchel serve needs {error.name}; install satchel[service]") from None
    if at is None and model is None:
        raise ConfigError(
            "name what to serve with --agent module:attr, or a model with --model (sim:echo needs no key)"
        )
    if auth and keys:
        raise ConfigError("give --keys or --auth, not both: one of them says who may call")
    given = _load(auth) if auth else keys
    settings = door(given, host, origins, console.say, unprotected=unprotected)
    if log_json:
        structured()
    loaded = _load(at) if at else Agent(model)
    served = app(loaded, store=store, auth=given, settings=settings, telemetry=_telemetry())
    run(served, console.say, host=host, port=port)


def key(tenant: str, path: Path) -> str:
    """Make a key of a tenant. Raises `ConfigError` without the extra `service`."""
    try:
        from satchel.runtime.service.api_keys import add
    except ImportError as error:
        raise ConfigError(f"satchel key needs {error.name}; install satchel[service]") from None
    return add(tenant, path)


def _telemetry() -> Any:
    """What the environment's `OTEL_...` ask for, None for nothing. Raises `ConfigError` without the extra `otel`."""
    from satchel.runtime.settings import telemetry_wanted

    if not telemetry_wanted():
        return None
    try:
        from satchel.runtime.telemetry_export import from_environment
    except ImportError as error:
        raise ConfigError(f"OTEL_EXPORTER_OTLP_... needs {error.name}; install satchel[otel]") from None
    return from_environment()


async def follow(driven: Agent, events: AsyncIterator[Event], *, as_json: bool) -> int:
    """Print a run's events as they come, then its result; the exit code that goes with it. Ctrl-C says how to go on.

    With `as_json`, what tools print goes to stderr, so that stdout holds the document alone.
    """
    code = console.FAILED
    async with driven:
        try:
            with redirect_stdout(sys.stderr) if as_json else nullcontext():
                told = [event async for event in _tell(events)]
        except asyncio.CancelledError:
            console.say("stopped; what was acknowledged is kept: `satchel resume THREAD` goes on")
            raise
        for event in told:
            code = console.result(event.result, as_json=as_json)
    return code


async def _tell(events: AsyncIterator[Event]) -> AsyncIterator[RunEnded]:
    async for event in events:
        if isinstance(event, RunEnded):
            yield event
        else:
            console.event(event)
