"""The guard of the embedded server, run as a program of its own: starts it, and ends it when its last client is gone.

Once a second it brings to the disk what the server has written. The server leaves that to it (`appendfsync no`), since
with `everysec` Redis and Valkey answer up to two seconds before they write while a sync takes long (`aof.c`,
`flushAppendOnlyFile`), and a server that is killed then loses what it has acknowledged. With `no` it always writes
before it answers.

Arguments: home directory, socket, then the server's command. Files in the home directory:

- `clients.lock`: each client holds it shared; the kernel drops a lock with its process, so no count can drift.
- `guard.lock`: the guard holds it; free means that nobody looks after the server.
- `server.lock`: the server itself holds it through an inherited descriptor, so two never write to one directory.
- `server.json`: the server's and the guard's process number, and the socket.

Parent-death signals exist on Linux only and belong to a thread, so one is set here, in a process with a single thread.
On macOS a server whose guard was killed lives on until the next client attaches, which ends it and starts anew.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

LINGER = 1.0
"""Seconds without a client after which the server ends."""

PATIENCE = 20.0
"""Seconds that the server may take to end."""

SYNC = 1.0
"""Seconds between two syncs of the append-only files."""

BEAT = 0.2
PR_SET_PDEATHSIG = 1
FOLDER = "appendonlydir"
"""Where a server from 7.0 on keeps its append-only files, unless told otherwise."""

_LOCKS = ("guard", "clients", "server")


def main(home: Path, socket: Path, command: list[str]) -> int:
    """Run the server until nobody uses it, or until it ends by itself; return its exit code."""
    guard, clients, alone = (os.open(home / f"{n}.lock", os.O_RDWR | os.O_CREAT, 0o600) for n in _LOCKS)
    fcntl.flock(guard, fcntl.LOCK_EX)
    fcntl.flock(alone, fcntl.LOCK_EX)
    socket.unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, _leave)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[alone], preexec_fn=_die_with_parent)  # noqa: S603, PLW1509 - the launcher's own words; there is one thread
    os.close(alone)
    try:
        numbers = {"server": server.pid, "guard": os.getpid(), "socket": str(socket)}
        (home / "server.json").write_text(json.dumps(numbers))
        _watch(server, clients, home)
    finally:
        server.terminate()
        code = _ended(server)
        for path in (socket, home / "server.json"):
            path.unlink(missing_ok=True)
        sync(home)
    return code


def sync(home: Path, seen: dict[str, tuple[int, int]] | None = None) -> dict[str, tuple[int, int]]:
    """Bring the append-only files of a home directory to the disk, but for those that are as `seen`.

    Returns what was seen: a file's inode and its size before it was synced. Raises `OSError` if the disk fails.
    """
    known = seen or {}
    now: dict[str, tuple[int, int]] = {}
    try:
        folder = os.open(home / FOLDER, os.O_RDONLY)
    except FileNotFoundError:
        return now  # the server has not begun yet
    try:
        for name in os.listdir(folder):  # noqa: PTH208 - by its descriptor
            with suppress(FileNotFoundError):  # what a rewrite has replaced since
                found = os.stat(name, dir_fd=folder)
                now[name] = found.st_ino, found.st_size
                if known.get(name) != now[name]:
                    _flush(name, folder)
        if known.keys() != now.keys():
            os.fsync(folder)
    finally:
        os.close(folder)
    return now


def _flush(name: str, folder: int) -> None:
    file = os.open(name, os.O_RDONLY, dir_fd=folder)
    try:
        if sys.platform == "darwin":
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)  # where fsync leaves it to the drive
        else:
            os.fdatasync(file)
    finally:
        os.close(file)


def _watch(server: subprocess.Popen[bytes], clients: int, home: Path) -> None:
    """Return when the server has ended, or holding the clients' lock when it was free for `LINGER` seconds.

    Raises `OSError` if the disk fails: of what comes after that nothing could be promised.
    """
    used = synced = time.monotonic()
    seen: dict[str, tuple[int, int]] = {}
    while server.poll() is None:
        time.sleep(BEAT)
        if time.monotonic() - synced >= SYNC:
            synced, seen = time.monotonic(), sync(home, seen)
        if not _free(clients):
            used = time.monotonic()
        elif time.monotonic() - used >= LINGER:
            return
        else:
            fcntl.flock(clients, fcntl.LOCK_UN)


def _ended(server: subprocess.Popen[bytes]) -> int:
    try:
        return server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()  # what it has acknowledged is in the file
        return server.wait()


def _free(clients: int) -> bool:
    try:
        fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _leave(*_: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    if os.fork():  # the starter need not wait for the guard's end
        os._exit(0)
    try:
        sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
    except OSError as failure:
        sys.exit(f"the guard has ended the server, since its disk fails: {failure}")
    except KeyboardInterrupt:
        pass
