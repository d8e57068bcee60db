"""The embedded server: one for a directory, shared by processes, gone when the last one ends, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from satchel.memory import ThreadId, guard, open_store
from satchel.memory.embedded import attach, default_home
from satchel.memory.errors import StoreUnreachable, StoreUnsafe
from satchel.memory.log import Log, read_log
from satchel.memory.ping import ask, state
from satchel.memory.records import Said
from satchel.memory.redis_store import ServerStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENT = """
import asyncio, sys
from pathlib import Path
from satchel.memory.embedded import attach
from satchel.memory.log import Log
from satchel.memory.records import Said
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import ThreadId
async def main():
    server = await attach(Path(sys.argv[1]))
    store = ServerStore(server.url, server=server)
    log = await Log.open(store, ThreadId(sys.argv[2]))
    await log.append("say", [Said(text=sys.argv[2])])
    print("ready", flush=True)
    sys.stdin.readline()
    await log.append("say again", [Said(text="still here")])
    await log.close()
    await store.aclose()
asyncio.run(main())
"""


@contextmanager
def client(home: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", CLIENT, str(home), name]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        if process.poll() is None:
            process.communicate("go on\n", timeout=20)


def numbers(home: Path) -> dict[str, int]:
    known: dict[str, int] = json.loads((home / "server.json").read_text())
    return known


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Processes end by themselves and tell nobody, so they are watched."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


async def said(home: Path, name: str) -> list[object]:
    server = await attach(home)
    store = ServerStore(server.url, server=server)
    entries = await read_log(store, ThreadId(name))
    await store.aclose()
    return [entry.record for entry in entries[1:]]


async def test_processes_share_one_server_that_ends_with_the_last_of_them_even_after_kill_9(tmp_path: Path) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(client(tmp_path, f"t{n}")) for n in range(4)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        known = numbers(tmp_path)
        processes[0].kill()
        assert processes[0].wait(10) == -signal.SIGKILL
        processes[1].communicate("go on\n", timeout=20)
        assert processes[1].returncode == 0
        assert numbers(tmp_path) == known
        assert lives(known["server"])
        for process in processes[2:]:
            process.kill()
    until(lambda: not lives(known["server"]) and not lives(known["guard"]))
    assert not (tmp_path / "server.json").exists()
    assert state(Path(str(known["socket"]))) == "dead"
    assert await said(tmp_path, "t0") == [Said(text="t0")]
    assert await said(tmp_path, "t1") == [Said(text="t1"), Said(text="still here")]


async def test_when_the_guard_is_killed_the_next_attach_recovers_the_data(tmp_path: Path) -> None:
    server = await attach(tmp_path)
    store = ServerStore(server.url, server=server)
    log = await Log.open(store, ThreadId("t"))
    await log.append("say", [Said(text="kept")])
    await log.close()
    before = numbers(tmp_path)
    os.kill(before["guard"], signal.SIGKILL)
    until(lambda: not lives(before["guard"]))
    assert await said(tmp_path, "t") == [Said(text="kept")]
    assert numbers(tmp_path)["server"] != before["server"]
    assert not lives(before["server"])
    assert len(await read_log(store, ThreadId("t"))) == 2  # the old client goes on with the new server
    await store.aclose()


async def test_when_the_server_is_killed_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    server = await attach(tmp_path)
    store = ServerStore(server.url, server=server)
    log = await Log.open(store, ThreadId("t"))
    for n in range(50):
        await log.append(f"say {n}", [Said(text=str(n))])
    known = numbers(tmp_path)
    os.kill(known["server"], signal.SIGKILL)
    until(lambda: not lives(known["guard"]))
    with pytest.raises(StoreUnreachable, match="gives no answer"):
        await log.append("say more", [Said(text="lost?")])
    assert await said(tmp_path, "t") == [Said(text=str(n)) for n in range(50)]
    await log.append("say more", [Said(text="no")])  # the server is back: the same log goes on
    await log.close()
    await store.aclose()


async def test_attaching_twice_in_one_process_reaches_one_server(tmp_path: Path) -> None:
    one, two = await attach(tmp_path), await attach(tmp_path)
    assert one.url == two.url
    one.release()
    one.release()
    assert ask(Path(numbers_socket(tmp_path)), "PING") == "+PONG\r\n"
    two.release()


def numbers_socket(home: Path) -> str:
    return str(numbers(home)["socket"])


async def test_a_server_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho the disk is on fire\nexit 1\n")
    broken.chmod(0o700)
    with pytest.raises(StoreUnreachable, match=r"ended at once; .*server\.log ends with: .*the disk is on fire"):
        await attach(tmp_path / "home", binary=broken)
    with pytest.raises(StoreUnreachable, match=r"ended at once"):
        await attach(tmp_path / "home", binary=tmp_path / "missing")


async def test_a_damaged_file_is_not_taken_for_an_empty_store(tmp_path: Path) -> None:
    server = await attach(tmp_path)
    store = ServerStore(server.url)
    await (await Log.open(store, ThreadId("t"))).close()
    await store.aclose()
    known = numbers(tmp_path)
    server.release()
    until(lambda: not lives(known["guard"]))
    (file,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(b"*3\r\nrubbish" + file.read_bytes())
    with pytest.raises(StoreUnreachable, match="Bad file format"):
        await attach(tmp_path)


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnreachable, match="SATCHEL_HOME"):
        await attach(tmp_path / "file")


async def test_a_socket_that_others_could_reach_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"satchel-{os.getuid()}").mkdir()
    (tmp_path / f"satchel-{os.getuid()}").chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(StoreUnsafe, match="others could reach"):
        await attach(tmp_path / "home")


def test_the_data_directory_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATCHEL_HOME", "~/mine")
    assert default_home() == Path.home() / "mine"
    monkeypatch.delenv("SATCHEL_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_home() == Path("/data/satchel")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_home() == Path.home() / ".local/share/satchel"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_home() == Path.home() / "Library/Application Support/Satchel"


async def test_without_an_address_the_store_is_embedded_and_safe() -> None:
    store = await open_store()
    assert store.url.startswith("unix://")
    assert await store.check() == []
    await store.aclose()


async def test_a_disk_that_fails_stops_a_write_at_once_and_then_the_server(tmp_path: Path) -> None:
    """A device stands in the directory that cannot be synced."""
    server = await attach(tmp_path)
    store = ServerStore(server.url, server=server)
    lease = await store.acquire(ThreadId("t"), ttl=10)
    assert await store.settle(lease)
    known = numbers(tmp_path)
    (tmp_path / guard.FOLDER / "appendonly.aof.9.incr.aof").symlink_to("/dev/null")
    with pytest.raises(StoreUnsafe, match="did not take what was written"):
        await store.settle(lease)
    until(lambda: not lives(known["server"]) and not lives(known["guard"]))
    assert "the guard has ended the server, since its disk fails" in (tmp_path / "server.log").read_text()
    await store.aclose()


async def test_what_the_server_has_written_is_synced_once_and_again_when_it_has_grown(tmp_path: Path) -> None:
    server = await attach(tmp_path)
    store = ServerStore(server.url, server=server)
    lease = await store.acquire(ThreadId("t"), ttl=10)
    seen = guard.sync(tmp_path)
    assert {name.partition(".aof.")[2] for name in seen} == {"1.base.aof", "1.incr.aof", "manifest"}
    device = tmp_path / guard.FOLDER / "never"
    device.symlink_to("/dev/null")  # cannot be synced
    found = device.stat()
    assert guard.sync(tmp_path, seen | {"never": (found.st_ino, found.st_size)}).keys() == seen.keys() | {"never"}
    with pytest.raises(OSError, match="Invalid argument"):
        guard.sync(tmp_path, seen)
    device.unlink()
    await store.append(lease, op="a", expected=0, entries=[b"0" * 100])
    grown = {name for name, state in guard.sync(tmp_path, seen).items() if state != seen[name]}
    assert grown == {"appendonly.aof.1.incr.aof"}
    await store.aclose()
