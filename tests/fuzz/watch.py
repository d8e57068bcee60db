"""Watches one reader on one case: what it raises, how long it takes, and what it does beside reading."""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fuzz.targets import Target

SECONDS = 1.0
"""Of processor time that one case may take."""

ROOM = 2 << 30
"""Bytes of memory that the process may take beyond what it has."""

FORBIDDEN = ("exec", "compile", "import", "open", "os.", "subprocess.", "socket.", "ctypes.", "shutil.")
"""What no reader does: audit events (PEP 578) by their names or the beginning of these."""


LIBRARIES = (("import", "numpy"), ("compile", "b'def foo("))
"""What LangGraph's serializer and pydantic do by themselves, with words of their own: they look for numpy, and they
look at the signature of a built-in type.
"""


class Hung(BaseException):
    """A case took longer than `SECONDS`."""


class _Watch:
    armed = False
    seen: list[str] = []  # noqa: RUF012 - one hook, which can never be removed, and what it has seen


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _Watch.armed and event.startswith(FORBIDDEN):
        what = str(args[0] if args else "")
        if not any(event == name and what.startswith(start) for name, start in LIBRARIES):
            _Watch.seen.append(f"{event} {what[:60]}")


def _late(*_: object) -> None:
    raise Hung


@contextmanager
def watching() -> Iterator[None]:
    """Set the hook, the alarm and the limit of memory; afterwards all but the hook are as before."""
    sys.addaudithook(_hook)
    before = signal.signal(signal.SIGPROF, _late)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, limits[1]))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def judge(target: Target, case: object) -> str | None:
    """What is wrong with how a reader took a case, if anything; call it in `watching`."""
    _Watch.seen.clear()
    fault = None
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    _Watch.armed = True
    try:
        target.read(case)
    except target.error:
        pass
    except Hung:
        fault = f"took more than {SECONDS:.0f} s"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        fault = f"raised {type(error).__name__}: {str(error)[:60]}"
    finally:
        _Watch.armed = False
    return fault or (f"did {_Watch.seen[0]}" if _Watch.seen else None)
