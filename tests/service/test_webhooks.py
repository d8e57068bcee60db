"""Webhooks: told once a run has ended, again until they are taken, and never to the server's own network."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from satchel.memory.errors import ConfigError
from satchel.runtime.service.addresses import Addresses, Forbidden
from tests.service.door import behind
from tests.stores import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

RUN: dict[str, Any] = {"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": "hello"}]}}
OURS = ("127.0.0.0/8",)


class Heard:
    """An HTTP server that takes what it is told, and answers as it is told to."""

    def __init__(self, answers: Iterator[str]) -> None:
        self.told: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.url = ""
        self._answers = answers

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(next(line for line in head.splitlines() if line.lower().startswith("content-length")).split()[1])
        self.told.put_nowait((head, json.loads(await reader.readexactly(length))))
        writer.write(f"HTTP/1.1 {next(self._answers)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def hearing(*answers: str, port: int = 0) -> AsyncIterator[Heard]:
    made = Heard(iter(answers))
    server = await asyncio.start_server(made.listen, "127.0.0.1", port)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/told?by=run"
    async with server:
        yield made


async def test_a_webhook_is_told_how_its_run_ended_until_it_takes_it() -> None:
    answers = ("503 Later", "307 Elsewhere\r\nLocation: /other", "204 Taken")
    async with hearing(*answers) as heard, behind(webhook_networks=OURS) as client:
        async with asyncio.timeout(30):
            thread = (await client.post("/threads", json={})).json()["thread_id"]
            run = (await client.post(f"/threads/{thread}/runs", json={**RUN, "webhook": heard.url})).json()
            told = [await heard.told.get() for _ in range(3)]
            assert told[0] == told[1] == told[2]  # a redirect is not followed: it is another try
            head, body = told[0]
            assert head.startswith("POST /told?by=run HTTP/1.1")
            assert (body["run_id"], body["status"], body["values"]["output"]) == (run["run_id"], "success", "hello")
            assert "x-api-key" not in head.lower()


async def test_a_webhook_is_told_of_runs_without_a_thread_and_of_those_that_were_stopped() -> None:
    async with hearing("200 OK", "200 OK") as heard, asyncio.timeout(30), behind(webhook_networks=OURS) as client:
        asked = {**RUN, "webhook": heard.url}
        await client.post("/runs/wait", json=asked)
        assert (await heard.told.get())[1]["values"]["output"] == "hello"
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        run = (await client.post(f"/threads/{thread}/runs", json={**asked, "after_seconds": 3_600})).json()
        await client.post(f"/threads/{thread}/runs/{run['run_id']}/cancel")
        assert (await heard.told.get())[1]["status"] == "interrupted"


async def test_what_could_not_be_told_before_a_server_ended_is_told_by_the_next(tmp_path: Path) -> None:
    async with hearing() as gone:
        url = gone.url  # nobody listens there any more when the run ends
    with serving("valkey", tmp_path) as store:
        assert store is not None
        async with behind(store=store.url, webhook_networks=OURS) as client:
            run = (await client.post("/runs/wait", json={**RUN, "webhook": url})).headers["content-location"]
        again = behind(store=store.url, webhook_networks=OURS)
        async with hearing("200 OK", port=urlsplit(url).port or 0) as heard, again as client:
            await client.get("/threads/x")  # it starts with the first request
            async with asyncio.timeout(30):
                assert (await heard.told.get())[1]["run_id"] == run.rpartition("/")[2]


FORBIDDEN = (
    "ftp://example.org/", "file:///etc/passwd", "example.org", "http://", "http://user:word@example.org/",
    "http://127.0.0.1/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://[::1]/",
    "http://[::ffff:10.0.0.1]/", "http://[fd00::1]/", "http://[64:ff9b::a00:1]/", "http://[2002:a00:1::]/",
    "http://0.0.0.0/", "http://100.64.0.1/", "http://224.0.0.1/", "http://example.org:0/", "http://a\r\nb/",
    "https://" + "a" * 2_000,
)  # fmt: skip


async def test_where_a_webhook_must_not_go_is_refused_with_the_run() -> None:
    async with behind() as client:
        for url in FORBIDDEN:
            answer = await client.post("/runs", json={**RUN, "webhook": url})
            assert answer.status_code == 422, url
            assert "webhook" in answer.json()["detail"], url


async def test_a_name_that_leads_into_a_private_network_is_not_called() -> None:
    """The check is made where the name is resolved, so a name cannot hide where it leads."""
    closed, opened = Addresses(()), Addresses(OURS)
    closed.written("http://localhost:1/")
    with pytest.raises(Forbidden):
        await closed.pinned("http://localhost:1/")
    assert await Addresses((*OURS, "::1/128")).pinned("http://localhost:1/") in {"127.0.0.1", "::1"}
    assert await opened.pinned("http://127.0.0.9:1/") == "127.0.0.9"
    with pytest.raises(ConfigError, match="webhook_networks"):
        Addresses(("here",))
