"""A server process of ours, and the clients that people use with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from langgraph_sdk import get_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langgraph_sdk.client import LangGraphClient
    from langgraph_sdk.schema import StreamPart

HERE = Path(__file__).parent

COMING = 20.0
"""Seconds that whoever is on the way to a gate may take."""


class Server:
    """`satchel serve` in a process of its own; what it keeps outlives it, in the folder that it is given."""

    def __init__(self, folder: Path, agent: str = "served:served", *words: str, **environment: str) -> None:
        self.folder = folder
        self._agent = agent
        self._words = words
        self._environment = environment
        self._port = 0
        self.said = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        """Start it and wait until it listens; started again, it listens where it did before."""
        command = [sys.executable, "-m", "satchel", "serve", "--agent", self._agent, "--port", str(self._port)]
        command += self._words
        environment = {**os.environ, "SATCHEL_HOME": str(self.folder / "home"), "SERVED_IN": str(self.folder)}
        environment |= self._environment
        self._process = subprocess.Popen(command, cwd=HERE, env=environment, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if match := re.search(r"serving .* on http://127\.0\.0\.1:(\d+)", line):
                self._port = int(match[1])
                return self
        raise AssertionError("".join(said))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def client(self) -> LangGraphClient:
        return get_client(url=self.url)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(30)
        assert self._process.stderr is not None
        self.said = self._process.stderr.read()
        self._process.stderr.close()
        self._process = None

    def gate(self, name: str) -> Path:
        """A gate that whoever comes to it waits at."""
        os.mkfifo(self.folder / name)
        return self.folder / name

    def effects(self) -> list[str]:
        """What happened, in order."""
        path = self.folder / "effects"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not kill it."""
    made = Server(tmp_path_factory.mktemp("service"))
    yield made.start()
    made.kill()


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Server]:
    """A server of one test, which may kill it."""
    made = Server(tmp_path)
    yield made
    made.kill()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[LangGraphClient]:
    async with server.client() as made:
        yield made


async def at_the_gate(client: LangGraphClient, thread: str, run: str) -> list[StreamPart]:
    """The events of a run until it waits at its gate."""
    seen = []
    async for part in client.runs.join_stream(thread, run):
        seen.append(part)
        if part.event == "custom" and "at" in part.data:
            return seen
    raise AssertionError(seen)


def open_gate(path: Path) -> None:
    """Let whoever waits at the gate go on, and take it away; waits until somebody is there.

    A run that was stopped on its way to the gate never comes: after `COMING` seconds nobody is waited for.
    """
    until = time.monotonic() + COMING
    while time.monotonic() < until:
        try:
            gate = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody has it open to read
            time.sleep(0.005)
            continue
        os.write(gate, b"go")
        os.close(gate)
        break
    path.unlink()
