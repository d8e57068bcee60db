"""What the command line prints and how it exits: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.runtime.events import Event, RunResult

OK, FAILED, USAGE, STOPPED, GATE = 0, 1, 2, 3, 4
"""Exit codes: fine, failed, wrong usage, stopped by a budget, a gate failed."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def say(text: str) -> None:
    """A line of progress or an error, on stderr; nothing stops where nobody reads it."""
    if sys.stderr is not None:  # it is where a process begins without one
        with suppress(OSError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def out(text: str) -> None:
    """A line of the result, on stdout. Raises `SatchelError` where it cannot be written."""
    from satchel.memory.errors import SatchelError

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has not all letters
    try:
        print(text, flush=True)  # noqa: T201 - unlike `write` it does without one that is closed
    except BrokenPipeError:
        raise  # who read it has enough, as `head` has: the command ends without a word
    except OSError as error:
        with suppress(OSError):  # else Python tries again at its end, and says so
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SatchelError(f"stdout cannot be written: {error.strerror}") from None


def document(value: Any) -> None:
    """One JSON document on stdout. Raises `SatchelError` likewise."""
    plain = getattr(sys.stdout, "encoding", "utf-8") != "utf-8"
    out(json.dumps(value, indent=1, ensure_ascii=plain, allow_nan=False))


def event(happened: Event) -> None:
    """A line of progress for an event; its end is told by `result`."""
    from satchel.runtime.events import CacheAlarm, CallFailed, PromptSent, ToolFinished, ToolStarted

    match happened:
        case PromptSent(step=step, tokens=tokens, folded=folded):
            say(f"step {step + 1}: prompt of {tokens:,} tokens{' after a fold' if folded else ''}")
        case CallFailed(detail=detail, wait=wait):
            say(f"  ! {short(detail, 300)}; once more in {wait:g} s")
        case CacheAlarm(detail=detail):
            say(f"  ! {detail}")
        case ToolStarted(name=name, args=args):
            say(f"  {name}({short(json.dumps(args, ensure_ascii=False))})")
        case ToolFinished(text=text, error=error):
            say(f"  {'! ' if error else '= '}{short(text)}")


def short(text: str, limit: int = 100) -> str:
    """The first line of a text, at most `limit` characters, without control characters."""
    line = "".join(c if c.isprintable() else " " for c in text[: limit + 1])
    return line if len(line) <= limit else line[:limit] + "..."


def result(ended: RunResult, *, as_json: bool) -> int:
    """Print how a run ended; the exit code that goes with it."""
    from satchel.runtime.budget import LIMITS

    if as_json:
        document(asdict(ended))
    elif ended.output is not None:
        out(ended.output)
    usd = "unknown" if ended.usage.usd is None else f"${ended.usage.usd:.4f}"
    used, share = ended.usage, f"{ended.state.surface_share:.0%} of them system text and tools"
    say(
        f"{ended.outcome}: thread {short(ended.thread, 200)}, {used.model_calls} model calls, "
        f"{used.tool_calls} tool calls, {used.input:,} tokens in ({share}), {used.output:,} out, cost {usd}"
        + (f"; {ended.detail}" if ended.detail else "")
    )
    if ended.outcome == "done":
        return OK
    return STOPPED if ended.outcome in LIMITS or ended.outcome == "paused" else FAILED


@contextmanager
def profiled(path: Path | None) -> Iterator[None]:
    """Sample what runs inside and write a flame graph: a page, or speedscope's format if the name ends in `.json`.

    Raises `ConfigError` without the extra `profile`, or if the file cannot be written.
    """
    if path is None:
        yield
        return
    from satchel.memory.errors import ConfigError

    try:
        from pyinstrument import Profiler
        from pyinstrument.renderers import HTMLRenderer, SpeedscopeRenderer
    except ModuleNotFoundError:
        raise ConfigError("--profile needs the extra `profile`: pip install 'satchel[profile]'") from None
    try:
        path.open("ab").close()
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); name another file") from None
    profiler = Profiler(async_mode="disabled")
    profiler.start()
    try:
        yield
    finally:
        profiler.stop()
        renderer = SpeedscopeRenderer() if path.suffix == ".json" else HTMLRenderer()
        path.write_text(profiler.output(renderer), encoding="utf-8")
        say(f"profile: {path}")


def explain(error: Exception) -> int:
    """Tell an error of ours in one sentence, and the exit code that goes with it; raise any other again."""
    if hasattr(error, "format_message"):  # a usage error of the command line's library
        told = error.format_message()  # without a command it is the help
        say(told if told.startswith("Usage:") else f"error: {told}")
        return USAGE
    from satchel.memory.errors import BudgetExceeded, ConfigError, SatchelError

    if not isinstance(error, SatchelError):
        raise error
    say(f"error: {error}")
    if isinstance(error, BudgetExceeded):
        return STOPPED
    return USAGE if isinstance(error, ConfigError) else FAILED
