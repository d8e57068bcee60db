"""Crons: runs that come again and again, each time once, whoever serves and whoever dies."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangGraph reads the annotations of nodes
from langgraph.graph import START, StateGraph
from langgraph_sdk import Auth
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError
from typing_extensions import TypedDict

from satchel.memory.embedded import _attach
from satchel.runtime.service import crons, schedules, wire
from satchel.runtime.service.app import app
from tests.service.conftest import Server, open_gate
from tests.service.door import behind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from langgraph_sdk.client import LangGraphClient

    from satchel.runtime.service.engine import Service

YEAR = "2026-01-01T00:00:00+00:00"
YEARLY, SECONDLY = "0 9 1 1 *", "* * * * * *"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "then"),
    [
        ("*/5 * * * *", None, "2026-11-21T10:02:00+00:00", "2026-11-21T10:05:00+00:00"),
        ("*/5 * * * *", None, "2026-11-21T10:05:00+00:00", "2026-11-21T10:10:00+00:00"),
        ("0 9 * * MON", None, "2026-11-21T10:02:00+00:00", "2026-11-23T09:00:00+00:00"),
        ("0 9 * * *", "America/New_York", "2026-07-01T00:00:00+00:00", "2026-07-01T13:00:00+00:00"),
        ("0 9 * * *", "America/New_York", "2026-12-01T00:00:00+00:00", "2026-12-01T14:00:00+00:00"),
        ("30 2 * * *", "Europe/Berlin", "2027-03-28T00:00:00+00:00", "2027-03-28T01:00:00+00:00"),  # there is no 2:30
        (SECONDLY, None, "2026-11-21T10:02:00.500+00:00", "2026-11-21T10:02:01+00:00"),
    ],
)
def test_a_schedule_comes_next_by_the_clock_of_its_zone(schedule: str, zone: str | None, now: str, then: str) -> None:
    assert schedules.after(schedule, zone, ms(now)) == ms(then)


async def test_a_cron_is_made_found_changed_and_removed(client: LangGraphClient) -> None:
    mark, thread = str(uuid.uuid4()), (await client.threads.create())["thread_id"]
    given: dict[str, Any] = {"schedule": YEARLY, "input": {"name": "a"}, "metadata": {"mark": mark}}
    one: Any = await client.crons.create("steps", **given, on_run_completed="keep", timezone="Europe/Berlin")
    two: Any = await client.crons.create_for_thread(thread, "steps", **given, enabled=False)
    assert one["next_run_date"][4:] == "-01-01T08:00:00+00:00"
    assert (one["thread_id"], one["on_run_completed"], one["enabled"]) == (None, "keep", True)
    assert (two["thread_id"], two["on_run_completed"], two["enabled"]) == (thread, None, False)
    assert one["payload"]["config"] == {"configurable": {"cron_id": one["cron_id"]}}

    async def found(**wanted: Any) -> list[str]:
        return [cron["cron_id"] for cron in await client.crons.search(metadata={"mark": mark}, **wanted)]

    both = [two["cron_id"], one["cron_id"]]
    assert await found() == both
    assert await found(sort_by="created_at", sort_order="asc") == both[::-1]
    assert await found(thread_id=thread) == await found(enabled=False) == await found(limit=1) == both[:1]
    assert await found(enabled=True, assistant_id=one["assistant_id"]) == await found(offset=1) == both[1:]
    assert await client.crons.count(metadata={"mark": mark}) == 2
    end = datetime.now(UTC) + timedelta(days=9_999)
    changed: Any = await client.crons.update(one["cron_id"], schedule="0 8 1 1 *", metadata={"b": 1}, end_time=end)
    assert changed["next_run_date"][4:] == "-01-01T07:00:00+00:00"
    assert (changed["metadata"], changed["end_time"]) == ({"mark": mark, "b": 1}, end.isoformat())
    assert (await client.crons.update(one["cron_id"], end_time=None))["end_time"] is None
    await client.threads.delete(thread)
    assert await found() == both[1:]
    await client.crons.delete(one["cron_id"])
    with pytest.raises(NotFoundError):
        await client.crons.delete(one["cron_id"])


async def test_a_cron_goes_with_its_assistant(client: LangGraphClient) -> None:
    assistant = (await client.assistants.create("steps"))["assistant_id"]
    await client.crons.create(assistant, schedule=YEARLY)
    assert await client.crons.count(assistant_id=assistant) == 1
    await client.assistants.delete(assistant)
    assert await client.crons.count(assistant_id=assistant) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"schedule": "every day"}, {"schedule": "61 * * * *"}, {"timezone": "Mars"}, {"end_time": "soon"},
        {"webhook": "ftp://x"}, {"multitask_strategy": "queue"},
    ],
)  # fmt: skip
async def test_a_cron_that_cannot_be_is_refused(client: LangGraphClient, wrong: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableEntityError):
        await client.http.post("/runs/crons", json={"assistant_id": "steps", "schedule": YEARLY, **wrong})


async def test_a_tenant_has_room_for_so_many_crons() -> None:
    async with behind(crons=1) as client:
        asked = {"assistant_id": "echo", "schedule": YEARLY}
        answers = [await client.post("/runs/crons", json=asked) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        missing = await client.post("/runs/crons", json={**asked, "schedule": "0 0 31 2 *"})
        assert (missing.status_code, missing.json()) == (400, {"detail": "failed to find next date"})


async def test_its_time_starts_a_run_as_any_other_until_it_is_disabled(server: Server, client: LangGraphClient) -> None:
    gate = server.gate(f"gate {uuid.uuid4()}")
    thread, given = (await client.threads.create())["thread_id"], {"gate": gate.name}
    made: Any = await client.crons.create_for_thread(
        thread, "steps", schedule=SECONDLY, input=given, metadata={"mark": 1}, durability="sync"
    )
    await asyncio.to_thread(open_gate, gate)  # somebody came to it
    assert not (await client.crons.update(made["cron_id"], enabled=False))["enabled"]
    runs: list[Any] = await client.runs.list(thread)
    assert (runs[-1]["metadata"]["mark"], runs[-1]["kwargs"]["durability"]) == (1, "sync")
    assert runs[-1]["kwargs"]["config"]["configurable"]["cron_id"] == made["cron_id"]
    await client.threads.delete(thread)


class Marked(TypedDict, total=False):
    done: str


class Marks:
    """A graph that notes which attempts of which runs came to it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.came = asyncio.Event()
        self.graph = StateGraph(Marked).add_node("mark", self._mark).add_edge(START, "mark").compile()

    async def _mark(self, state: Marked, config: RunnableConfig) -> Marked:  # noqa: ARG002 - the shape of a node
        self.seen.append((config["metadata"]["run_id"], config["metadata"]["run_attempt"]))
        self.came.set()
        return {"done": "yes"}


@asynccontextmanager
async def serving(store: str, *graphs: Any) -> AsyncIterator[tuple[httpx.AsyncClient, list[Service]]]:
    """Several servers on one store, in this process, and a client of the first."""
    made = [app({"marks": graph}, store=store) for graph in graphs]
    services = [one.state.service for one in made]
    for service in services:
        await service.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made[0]), base_url="http://test") as client:
        yield client, services
    for service in services:
        await service.stop()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    server = _attach(tmp_path / "server", None)
    yield server.url
    server.release()


async def test_of_several_servers_one_serves_each_time(url: str) -> None:
    marks = Marks()
    async with serving(url, marks.graph, marks.graph) as (client, services):
        asked = {"assistant_id": "marks", "schedule": SECONDLY, "input": {}}
        cron = (await client.post("/runs/crons", json=asked)).json()["cron_id"]
        while len(marks.seen) < 2:
            await marks.came.wait()
            marks.came.clear()
            services[1].clock.ring()  # as if it had woken at the same moment
        await client.patch(f"/runs/crons/{cron}", json={"enabled": False})
        while (await services[0].crons.due(1))[1]:  # noqa: ASYNC110 - it comes no more, once a time is served
            await asyncio.sleep(0.01)
    ids = [run for run, _ in marks.seen]
    now = time.time_ns() // 10**9
    times = [str(uuid.uuid5(uuid.UUID(cron), str(second * 1000))) for second in range(now - 60, now + 1)]
    at = [times.index(run) for run in ids]
    assert at == sorted(set(at))  # one after the other, and each once


@pytest.mark.parametrize("on_run_completed", ["keep", "delete"])
async def test_the_run_of_a_time_whose_server_died_is_accepted_once(url: str, on_run_completed: str) -> None:
    """Whoever comes after it finds the run not offered, or waiting, or ended: dropped with its thread, or kept."""
    marks = Marks()
    async with serving(url, marks.graph) as (client, (service,)):
        asked = {"assistant_id": "marks", "schedule": YEARLY, "input": {}, "on_run_completed": on_run_completed}
        cron = (await client.post("/runs/crons", json=asked)).json()["cron_id"]
        run = str(uuid.uuid5(uuid.UUID(cron), "1000"))
        thread = str(uuid.uuid5(uuid.UUID(run), "thread"))
        for _ in range(3):
            row = await service.crons.get(("default", cron))
            assert row is not None
            left = {**crons.of_row(row), "serving": {"time": 1000, "until": 1, "by": "one that died"}}
            await service.crons.put(("default", cron), wire.dumps(left), at=1, revision=row.revision)
            service.clock.ring()
            while (await service.crons.due(1))[1][0][1] < ms(YEAR):  # until it has been served  # noqa: ASYNC110 - a store tells nobody
                await asyncio.sleep(0.01)
            await client.get(f"/threads/{thread}/runs/{run}/join")
        assert marks.seen == [(run, 1)]
        assert (await client.get(f"/threads/{thread}")).status_code == (200 if on_run_completed == "keep" else 404)
        assert (await client.post("/threads/count", json={})).json() == (on_run_completed == "keep")


async def test_times_that_passed_while_nobody_served_are_one_time(url: str) -> None:
    marks = Marks()
    async with serving(url, marks.graph) as (client, (service,)):
        asked = {"assistant_id": "marks", "schedule": "0 0 * * *", "input": {}}
        cron = (await client.post("/runs/crons", json=asked)).json()
        gone = (await client.post("/runs/crons", json={**asked, "end_time": "2020-01-01T00:00:00Z"})).json()
        for name in (cron["cron_id"], gone["cron_id"]):
            row = await service.crons.get(("default", name))
            assert row is not None
            missed = {**crons.of_row(row), "next": ms("2026-01-01T00:00:00+00:00")}
            await service.crons.put(("default", name), wire.dumps(missed), at=missed["next"], revision=1)
        service.clock.ring()
        await marks.came.wait()
        while (await service.crons.due(9))[1][0][1] < ms(cron["next_run_date"]):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        assert len(await service.crons.all("default")) == 2
        assert len((await service.crons.due(9))[1]) == 1  # the one that is over comes no more
    assert len(marks.seen) == 1


async def test_a_cron_runs_as_who_made_it(url: str) -> None:
    """Its threads are seen by those who see its maker's, and rules that let nobody start a run let nobody make one."""
    auth = Auth()

    @auth.authenticate
    async def who(headers: dict[bytes, bytes]) -> dict[str, str]:
        return {"identity": headers[b"x-api-key"].decode(), "tenant": "shop"}

    @auth.on
    async def own(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> dict[str, str] | bool:
        value.setdefault("metadata", {})["owner"] = ctx.user.identity
        return ctx.user.identity != "guest" and {"owner": ctx.user.identity}

    @auth.on.crons.create
    async def make(ctx: Auth.types.AuthContext, value: Any) -> Any:
        value.setdefault("metadata", {})["owner"] = ctx.user.identity
        return {"owner": ctx.user.identity}

    marks = Marks()
    async with behind(auth, {"marks": marks.graph}, store=url) as client:
        asked = {"assistant_id": "marks", "schedule": SECONDLY, "input": {}, "on_run_completed": "keep"}
        ada, bob, guest = ({"x-api-key": name} for name in ("ada", "bob", "guest"))
        assert (await client.post("/runs/crons", json=asked, headers=guest)).status_code == 403
        made = (await client.post("/runs/crons", json=asked, headers=ada)).json()
        assert (made["user_id"], made["metadata"]) == ("ada", {"owner": "ada"})
        for method in ("GET", "DELETE"):
            answer = await client.request(method, f"/runs/crons/{made['cron_id']}", headers=bob)
            assert answer.status_code == 404
        await marks.came.wait()
        counts = [(await client.post("/threads/count", json={}, headers=one)).json() for one in (ada, bob)]
        assert counts[0] >= 1
        assert counts[1] == 0
        assert (await client.delete(f"/runs/crons/{made['cron_id']}", headers=ada)).status_code == 204


@pytest.mark.debian
async def test_servers_that_are_killed_serve_no_time_twice(mine: Server) -> None:
    """Two servers, one of which is killed again and again: a run that begins twice says so, or is another one."""
    chance, until = random.Random(7), time.monotonic() + 40
    other = Server(mine.folder)
    async with mine.start().client() as client:
        cron: Any = await client.crons.create("marks", schedule=SECONDLY, input={})
        while time.monotonic() < until:
            other.start()
            await asyncio.sleep(chance.uniform(0.1, 3))
            other.kill()
        await client.crons.delete(cron["cron_id"])
        while await client.threads.search():  # noqa: ASYNC110 - what was begun ends
            await asyncio.sleep(0.05)
    began = [what for what in mine.effects() if what.startswith("marked")]
    assert len(began) == len(set(began))
    assert len({what.split()[1] for what in began}) >= 10  # one a second, but for 10 s after a time's server died
