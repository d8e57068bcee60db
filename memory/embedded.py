"""The embedded server: one Valkey or Redis process for each data directory, shared by its clients.

It starts with the first client and ends a second after the last one, however those end (`guard.py` says how).
Every acknowledged write survives the death of any process; a power cut may lose the last one to two seconds, since
the guard syncs once a second. The directory must be on a local disk: file locks over NFS are not relied on.
On Linux the server also ends when its guard is killed; macOS has no such signal, and there the next attach ends it.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import select
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from satchel.memory import guard
from satchel.memory.binary import find_server
from satchel.memory.errors import StoreUnreachable, StoreUnsafe
from satchel.memory.ping import READY, ask, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from satchel.memory.ping import State

PATIENCE = 30.0
"""Seconds that a server may take to start, which is above all to load its data."""

LONGEST_SOCKET = 103
"""Bytes of a socket's path, at most, on macOS; Linux takes 107."""

_LOG_BYTES = 1 << 20
_TAIL = 5
_PAUSE = 0.005


class EmbeddedServer:
    """A client's hold on the server of a data directory, at `url`, until `release` or the end of the process."""

    def __init__(self, url: str, home: Path, held: int) -> None:
        self.url = url
        self.home = home
        self._held: int | None = held

    async def settle(self) -> None:
        """Return once all that the server has answered is on the disk; it has written it to its files by then.

        Raises `OSError` if the disk fails.
        """
        await asyncio.to_thread(guard.sync, self.home)

    def release(self) -> None:
        """Let go of the server; it ends when nobody holds it. Letting go twice does nothing."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


def default_home() -> Path:
    """The user's data directory: `$SATCHEL_HOME`, or what the platform prescribes."""
    if given := os.environ.get("SATCHEL_HOME"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Satchel"
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "satchel"


async def attach(home: Path, *, binary: Path | None = None) -> EmbeddedServer:
    """Hold the server of this data directory, starting it if need be: `binary`, or the first that is found.

    Raises `StoreUnreachable` if none can be started within `PATIENCE` seconds, `StoreUnsafe` if others could reach it.
    """
    return await asyncio.to_thread(_attach, home, binary)


def _attach(home: Path, binary: Path | None) -> EmbeddedServer:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = _locked(home / "clients.lock", fcntl.LOCK_SH)
    except OSError as error:
        raise StoreUnreachable(
            f"the data directory {home} cannot be used ({error.strerror}); set SATCHEL_HOME to a local one"
        ) from error
    try:
        with _starting(home):
            return EmbeddedServer(f"unix://{quote(str(_ready(home.resolve(), binary)))}", home.resolve(), held)
    except (OSError, subprocess.SubprocessError) as error:
        os.close(held)
        raise StoreUnreachable(f"no server could be started in {home}: {error}; see {home / 'server.log'}") from error
    except BaseException:
        os.close(held)
        raise


def _ready(home: Path, binary: Path | None) -> Path:
    """The socket of a server that answers: the one under a living guard, or a new one."""
    deadline = time.monotonic() + PATIENCE
    while not _unguarded(home):
        socket = _known(home) or _socket(home)
        if (now := state(socket)) == READY:
            return socket
        if time.monotonic() > deadline:
            raise StoreUnreachable(_late(home, now))
        time.sleep(_PAUSE)
    ask(_known(home) or _socket(home), "SHUTDOWN")  # a server whose guard was killed; where there is none, nothing
    socket = _socket(home)
    with _spawned(home, socket, binary or find_server()) as guarded:
        while (now := state(socket)) != READY:
            if select.select([guarded], [], [], _PAUSE)[0]:
                raise StoreUnreachable(f"the server of {home} ended at once; {_tail(home)}")
            if time.monotonic() > deadline:
                raise StoreUnreachable(_late(home, now))
    return socket


def _late(home: Path, now: State) -> str:
    return f"the server of {home} is {now} after {PATIENCE:.0f} s; try again, or end it; {_tail(home)}"


@contextmanager
def _spawned(home: Path, socket: Path, binary: Path) -> Iterator[int]:
    """Start a guard, which starts the server; gives the end of a pipe that can be read once the guard has ended."""
    words = [sys.executable, "-I", "-S", guard.__file__, str(home), str(socket), str(binary), *_arguments(home, socket)]
    reading, writing = os.pipe()
    out = _log(home)
    try:
        subprocess.run(  # noqa: S603 - our own program
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            pass_fds=[writing],
            start_new_session=True,
            check=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
        os.close(out)
    try:
        yield reading
    finally:
        os.close(reading)


def _arguments(home: Path, socket: Path) -> list[str]:
    """Files without an RDB preamble can be read by every server from 7.0 on, Redis or Valkey."""
    given = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(home),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "no",  # the guard's work
        "aof-use-rdb-preamble": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "auto-aof-rewrite-min-size": "64mb",
        "logfile": "",
    }
    return [word for name, value in given.items() for word in (f"--{name}", value)]


def _known(home: Path) -> Path | None:
    """The socket that the running guard has noted: the environment of its starter may have been another."""
    try:
        return Path(json.loads((home / "server.json").read_text())["socket"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _socket(home: Path) -> Path:
    """A short path in a directory that is ours alone."""
    name = blake2b(str(home).encode(errors="surrogateescape"), digest_size=8).hexdigest()
    for base in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - checked below
        path = Path(base) / f"satchel-{os.getuid()}" / f"{name}.sock"
        if base and Path(base).is_dir() and len(os.fsencode(path)) <= LONGEST_SOCKET:
            break
    path.parent.mkdir(mode=0o700, exist_ok=True)
    found = path.parent.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreUnsafe(f"others could reach the directory {path.parent}; remove it, or set XDG_RUNTIME_DIR")
    return path


def _unguarded(home: Path) -> bool:
    try:
        os.close(_locked(home / "guard.lock", fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@contextmanager
def _starting(home: Path) -> Iterator[None]:
    lock = _locked(home / "start.lock", fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def _locked(path: Path, how: int) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, how)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _log(home: Path) -> int:
    path = home / "server.log"
    fresh = os.O_TRUNC if path.exists() and path.stat().st_size > _LOG_BYTES else 0
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | fresh, 0o600)


def _tail(home: Path) -> str:
    log = home / "server.log"
    with suppress(OSError):
        return f"{log} ends with: " + " | ".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
    return f"there is no {log}"
