"""The WebSocket of a thread: what is asked and told over it, who may open it, and how it ends."""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from langgraph.graph import START, StateGraph
from langgraph_sdk import Auth
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from satchel.runtime.service.app import app
from satchel.runtime.service.protocol_socket import MOST
from satchel.runtime.service.serving import Server as Serving
from satchel.runtime.service.settings import configured
from tests.service.served import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.client import ClientConnection

    from tests.service.conftest import Server

HEARS = {"id": 1, "method": "subscription.subscribe", "params": {"channels": ["values", "lifecycle"]}}
STARTS = {"id": 2, "method": "run.start", "params": {"assistant_id": "steps", "input": {"name": "a"}}}

GRAPH = StateGraph(State).add_node("first", lambda _: {"done": ["yes"]}).add_edge(START, "first").compile()
LEAVES = {"id": 3, "method": "subscription.unsubscribe"}


async def asked(socket: ClientConnection, sent: object) -> dict[str, Any]:
    """The answer to a frame; events that come before it are left out."""
    await socket.send(sent if isinstance(sent, (str, bytes)) else json.dumps(sent))
    while (answer := json.loads(await socket.recv())).get("type") == "event":
        pass
    return dict(answer)


async def told(socket: ClientConnection, end: str = "completed") -> list[dict[str, Any]]:
    """Events up to the end of a run."""
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["params"]["data"].get("event") != end or seen[-1]["params"]["namespace"]:
        seen.append(json.loads(await socket.recv()))
    return seen


def at(url: str, thread: str | None = None) -> str:
    return f"{url.replace('http', 'ws')}/threads/{thread or uuid.uuid4()}/stream/events"


async def test_it_starts_a_run_and_tells_its_events_also_to_who_comes_later(server: Server) -> None:
    place = at(server.url)
    async with connect(place) as socket:
        assert (await asked(socket, HEARS))["result"]["replayed_events"] == 0
        assert "run_id" in (await asked(socket, STARTS))["result"]
        seen = await told(socket)
    assert [one["method"] for one in seen if one["method"] == "lifecycle"] == ["lifecycle"] * 2
    assert seen[-2]["params"]["data"]["done"] == ["first a", "second a"]
    async with connect(place) as socket:
        await asked(socket, HEARS)
        again = await told(socket)
        assert again[-len(seen) :] == seen
        late = {**HEARS, "params": {**HEARS["params"], "since": seen[-2]["seq"]}}  # type: ignore[dict-item]  # JSON
        answer = await asked(socket, late)
        assert answer["meta"]["applied_through_seq"] == seen[-1]["seq"]
        assert await told(socket) == seen[-1:]


async def test_what_is_no_command_is_told_and_the_connection_stays(server: Server) -> None:
    def hears(**given: Any) -> dict[str, Any]:
        return {"id": 7, "method": "subscription.subscribe", "params": given}

    async with connect(at(server.url)) as socket:
        for sent, code in (
            ("nothing", "invalid_argument"),
            (b"\x00\xff", "invalid_argument"),
            ([], "invalid_argument"),
            ({"channels": ["values"]}, "invalid_argument"),
            ({"id": "a", "method": "run.start"}, "invalid_argument"),
            ({"id": 1, "method": "nothing"}, "unknown_command"),
            ("[" * 10_000, "invalid_argument"),
            (hears(), "invalid_argument"),
            (hears(channels=["nothing"]), "invalid_argument"),
            (hears(channels=["values"], namespaces="x"), "invalid_argument"),
            ({"id": 1, "method": "run.start", "params": {"assistant_id": "nobody"}}, "unknown_error"),
            ({"id": 1, "method": "input.respond", "params": {"interrupt_id": "x"}}, "no_such_interrupt"),
            (LEAVES, "invalid_argument"),
            (
                {"id": 1, "method": "subscription.unsubscribe", "params": {"subscription_id": "x"}},
                "no_such_subscription",
            ),
        ):
            assert (await asked(socket, sent))["error"] == code, sent
        names = [(await asked(socket, HEARS))["result"]["subscription_id"] for _ in range(MOST)]
        assert "at most" in (await asked(socket, HEARS))["message"]
        assert (await asked(socket, {**LEAVES, "params": {"subscription_id": names[0]}}))["result"] == {}
        assert "result" in await asked(socket, HEARS)


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[tuple[Serving, str]]:
    """A server in this process, as `satchel serve` runs one."""
    auth = settings.pop("auth", None)
    made = app({"steps": GRAPH}, store="memory://", auth=auth, settings=configured(**settings))
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = Serving(made, listening.set_result, host="127.0.0.1", port=0, log_level="critical")
    going = asyncio.create_task(server.serve())
    try:
        yield server, (await listening).rpartition(" ")[2]
    finally:
        server.should_exit = True
        await going


async def test_pages_from_elsewhere_and_what_is_no_thread_are_refused() -> None:
    async with serving(origins=["https://ours.example"], body_bytes=2_000) as (_, url):
        for ours in (url, "https://ours.example"):
            async with connect(at(url), origin=Origin(ours)) as socket:
                assert "result" in await asked(socket, HEARS)
        for other in ("https://theirs.example", "null"):
            with pytest.raises(InvalidStatus, match="403"):
                await connect(at(url), origin=Origin(other)).__aenter__()
        async with connect(at(url, "abc")) as socket:
            with pytest.raises(ConnectionClosed, match=r"4422.*Invalid thread ID"):
                await socket.recv()
        async with connect(at(url)) as socket:
            with pytest.raises(ConnectionClosed, match="1009"):  # too big
                await asked(socket, "x" * 3_000)


async def test_a_server_that_ends_says_that_it_comes_again() -> None:
    async with serving() as (server, url), connect(at(url)) as socket, connect(at(url)) as quiet:
        await asked(socket, HEARS)
        draining = asyncio.create_task(server.config.app.state.service.drain())  # type: ignore[union-attr]  # what SIGTERM does
        server.should_exit = True
        for one in (socket, quiet):
            with pytest.raises(ConnectionClosed, match="1012"):  # service restart: the SDK's client connects again
                await one.recv()
        await draining


async def test_its_commands_are_under_the_rules_and_counted() -> None:
    auth = Auth()

    @auth.authenticate
    async def who(headers: dict[bytes, bytes]) -> dict[str, str]:
        return {"identity": headers[b"x-api-key"].decode(), "tenant": "shop"}

    @auth.on
    async def own(ctx: Auth.types.AuthContext, value: Any) -> dict[str, str]:
        value.setdefault("metadata", {})["owner"] = ctx.user.identity
        return {"owner": ctx.user.identity}

    @auth.on.threads.create_run
    async def start(ctx: Auth.types.AuthContext, value: Any) -> Any:  # noqa: ARG001 - the shape of a handler
        return ctx.user.identity != "guest" and {"owner": ctx.user.identity}

    async with serving(auth=auth, requests=20, burst=10) as (_, url):
        ada, bob, guest = ({"x-api-key": name} for name in ("ada", "bob", "guest"))
        thread = str(uuid.uuid4())
        async with connect(at(url, thread), additional_headers=ada) as socket:
            await asked(socket, HEARS)
            assert "result" in await asked(socket, STARTS)
            await told(socket)
        async with connect(at(url, thread), additional_headers=bob) as socket:  # to him it is not there yet
            await asked(socket, HEARS)
            assert "not found" in (await asked(socket, STARTS))["message"]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.5)
        async with connect(at(url), additional_headers=guest) as socket:
            assert "result" in await asked(socket, HEARS)
            assert (await asked(socket, STARTS))["error"] == "unknown_error"
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in range(12):  # 10 may come at once, then one each 50 ms
                await asked(socket, {"id": 1, "method": "nothing"})
            assert loop.time() - began > 0.1
        async with httpx.AsyncClient(base_url=url, headers=guest) as http:
            assert (await http.post("/threads/count", json={})).json() == 0
