"""Servers of every topology from the installed `redis-server`, on loopback, for as long as a test needs them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAST = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1", "save": "", "appendonly": "yes"}


@dataclass(eq=False)
class Server:
    """A server process and where it listens."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def raw(self) -> Any:
        """A client of its own, which redis-py does not type fully."""
        return Redis(port=self.port)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on, nor on the one 10,000 above, which a cluster's bus takes."""
    with ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < number:
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with socket.socket() as bus:
                if port < 55_000 and bus.connect_ex(("127.0.0.1", port + 10_000)) != 0:
                    ports.append(port)
        return ports


def until(true: object, what: str, seconds: float = 20.0) -> None:
    """Ask again and again until it is so."""
    assert callable(true)
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except (RedisError, OSError):
            pass
        assert time.monotonic() < deadline, f"{what} took more than {seconds} s"
        time.sleep(0.02)


@contextmanager
def running(folder: Path, *, words: tuple[str, ...] = (), port: int | None = None, **settings: str) -> Iterator[Server]:
    """A server with these settings (underscores for dashes), in a folder of its own."""
    binary = shutil.which("redis-server")
    assert binary, "redis-server is missing: run `bash .ci/run` as root on Debian, or install the package"
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_ports(1)[0]
    given = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "logfile": str(folder / "log")}
    given |= FAST | {name.replace("_", "-"): value for name, value in settings.items()}
    lines = [f'{name} "{value}"' for name, value in given.items()]
    (folder / "conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([binary, str(folder / "conf"), *words], stdin=subprocess.DEVNULL)
    server = Server(process, port, folder)
    try:
        if given["port"] != "0":
            until(lambda: _answers(server.raw), "the start of a server")
        yield server
    finally:
        server.kill()


def _answers(raw: Any) -> bool:
    try:
        return bool(raw.ping())
    except RedisError as error:
        return "NOAUTH" in str(error) or "Authentication" in str(error)


@dataclass(eq=False)
class Watched:
    """A primary, its replica, and three sentinels that agree by two."""

    primary: Server
    replica: Server
    sentinels: list[Server]

    @property
    def url(self) -> str:
        """The address."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{s.port}' for s in self.sentinels)}/satchel"

    def follows(self) -> bool:
        """Whether the replica has all that the primary has."""
        info = self.replica.raw.info("replication")
        ahead = self.primary.raw.info("replication")["master_repl_offset"]
        return bool(info["master_link_status"] == "up" and info["slave_repl_offset"] >= ahead)


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Sentinels with short timeouts; `redis-server --sentinel` needs no package more."""
    with ExitStack() as stack:
        start = stack.enter_context
        primary = start(running(folder / "primary"))
        replica = start(running(folder / "replica", replicaof=f"127.0.0.1 {primary.port}"))
        sentinels = [start(_sentinel(folder / f"sentinel{n}", primary.port)) for n in range(3)]
        found = Watched(primary, replica, sentinels)
        until(found.follows, "the first replication")
        until(lambda: all(_knows(s) for s in sentinels), "the sentinels' acquaintance")
        yield found


@contextmanager
def _sentinel(folder: Path, primary: int) -> Iterator[Server]:
    folder.mkdir(parents=True)
    port = free_ports(1)[0]
    (folder / "conf").write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nlogfile {folder}/log\n"
        f"sentinel monitor satchel 127.0.0.1 {primary} 2\n"
        "sentinel down-after-milliseconds satchel 500\nsentinel failover-timeout satchel 3000\n"
    )
    binary = shutil.which("redis-server")
    assert binary
    process = subprocess.Popen([binary, str(folder / "conf"), "--sentinel"], stdin=subprocess.DEVNULL)
    server = Server(process, port, folder)
    try:
        until(lambda: _answers(server.raw), "the start of a sentinel")
        yield server
    finally:
        server.kill()


def _knows(sentinel: Server) -> bool:
    """Whether a sentinel has met both others and the replica."""
    state = sentinel.raw.sentinel_master("satchel")
    return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1)


@dataclass(eq=False)
class Clustered:
    """Three primaries and a replica of the first."""

    nodes: list[Server]
    replica: Server

    @property
    def url(self) -> str:
        """The address: any two of its nodes."""
        return f"redis+cluster://127.0.0.1:{self.nodes[1].port},127.0.0.1:{self.nodes[2].port}"

    def of(self, slot: int) -> Server:
        """The primary that has a slot now."""
        table = self.nodes[1].raw.execute_command("CLUSTER SLOTS")
        for first, last, node, *_ in table:
            if first <= slot <= last:
                return next(n for n in (*self.nodes, self.replica) if n.port == node[1])
        raise AssertionError(slot)


@contextmanager
def clustered(folder: Path) -> Iterator[Clustered]:
    """A cluster that notices within a second that a node is gone."""
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                running(folder / str(port), port=port, cluster_enabled="yes", cluster_node_timeout="1000")
            )
            for port in free_ports(4)
        ]
        *primaries, replica = nodes
        for n, node in enumerate(primaries):
            first, last = n * 16_384 // 3, (n + 1) * 16_384 // 3 - 1
            node.raw.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            node.raw.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
        for node in nodes[1:]:
            nodes[0].raw.execute_command("CLUSTER MEET", "127.0.0.1", node.port)
        until(lambda: all(len(n.raw.cluster("nodes")) == 4 for n in nodes), "the cluster's acquaintance")
        replica.raw.execute_command("CLUSTER REPLICATE", primaries[0].raw.cluster("myid"))
        until(lambda: all(n.raw.cluster("info")["cluster_state"] == "ok" for n in nodes), "the cluster")
        until(lambda: replica.raw.info("replication")["master_link_status"] == "up", "the cluster's replica")
        yield Clustered(primaries, replica)
