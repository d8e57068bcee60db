"""The isolation matrix: each operation of the API document, asked by a stranger about what is another's.

A stranger is told what it would be told about ids that were never given out, byte for byte, the store does the same
work for it, and what it asked about is as it was. An operation without a row fails.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from redis import Redis

from satchel.runtime.service.api_keys import add
from satchel.runtime.service.guard import OPEN
from satchel.runtime.service.rules import ACTIONS
from tests.service.conftest import Server
from tests.stores import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Ids = dict[str, str]

SAID = {"messages": [{"role": "user", "content": "hello"}]}
RUN = {"assistant_id": "echo", "input": SAID}
SEARCH: dict[str, Any] = {"metadata": {"mine": "yes"}}
ITEM = {"namespace": ["mine"], "key": "tea"}
CRON = {"assistant_id": "echo", "schedule": "0 9 1 1 *", "input": SAID, **SEARCH}
FORM: dict[str, Any] = {"graph_id": "echo", "metadata": SEARCH["metadata"]}

ROWS: Mapping[str, tuple[int, dict[str, Any]]] = {
    "POST /assistants": (200, {**FORM, "assistant_id": "{assistant}", "if_exists": "do_nothing"}),
    "POST /assistants/search": (200, SEARCH),
    "POST /assistants/count": (200, SEARCH),
    "GET /assistants/{assistant}": (200, {}),
    "PATCH /assistants/{assistant}": (200, {"name": "other"}),
    "POST /assistants/{assistant}/versions": (200, {}),
    "POST /assistants/{assistant}/latest": (200, {"version": 1}),
    "GET /assistants/{assistant}/graph": (200, {}),
    "GET /assistants/{assistant}/schemas": (200, {}),
    "GET /assistants/{assistant}/subgraphs": (200, {}),
    "GET /assistants/{assistant}/subgraphs/{ns}": (200, {}),
    "POST /threads": (200, {"thread_id": "{thread}", "if_exists": "do_nothing"}),
    "POST /threads/search": (200, {"ids": ["{thread}"]}),
    "POST /threads/count": (200, SEARCH),
    "GET /threads/{thread}": (200, {}),
    "PATCH /threads/{thread}": (200, {"metadata": {"seen": "yes"}}),
    "POST /threads/{thread}/copy": (200, {}),
    "GET /threads/{thread}/state": (200, {}),
    "POST /threads/{thread}/state/checkpoint": (200, {"checkpoint": {"checkpoint_id": "{checkpoint}"}}),
    "GET /threads/{thread}/state/{checkpoint}": (200, {}),
    "POST /threads/{thread}/state": (200, {"values": {"name": "changed"}}),
    "POST /threads/{thread}/history": (200, {"limit": 10}),
    "GET /threads/{thread}/history": (200, {}),
    "GET /threads/{thread}/usage": (200, {}),
    "GET /threads/{thread}/results/{ref}": (404, {}),  # a graph stores none; those of an agent are tested below
    "GET /runs/{run}/prompts": (200, {}),
    "POST /runs": (200, {**RUN, "assistant_id": "{assistant}"}),
    "POST /runs/stream": (200, {**RUN, "assistant_id": "{assistant}"}),
    "POST /runs/wait": (200, {**RUN, "assistant_id": "{assistant}"}),
    "POST /runs/batch": (200, {"": [{**RUN, "thread_id": "{thread}"}]}),
    "POST /runs/cancel": (404, {"thread_id": "{thread}", "run_ids": ["{run}"]}),  # the run has ended
    "POST /threads/{thread}/runs": (200, RUN),
    "POST /threads/{thread}/runs/stream": (200, RUN),
    "POST /threads/{thread}/runs/wait": (200, RUN),
    "GET /threads/{thread}/runs": (200, {}),
    "GET /threads/{thread}/runs/{run}": (200, {}),
    "GET /threads/{thread}/runs/{run}/join": (200, {}),
    "GET /threads/{thread}/runs/{run}/stream": (200, {}),
    "POST /threads/{thread}/runs/{run}/cancel": (404, {}),  # the run has ended
    "POST /runs/crons": (200, {**CRON, "assistant_id": "{assistant}"}),
    "POST /threads/{thread}/runs/crons": (200, CRON),
    "POST /runs/crons/search": (200, {"thread_id": "{thread}"}),
    "POST /runs/crons/count": (200, SEARCH),
    "GET /runs/crons/{cron}": (200, {}),
    "PATCH /runs/crons/{cron}": (200, {"metadata": {"seen": "yes"}}),
    "DELETE /runs/crons/{cron}": (204, {}),
    "PUT /store/items": (204, {**ITEM, "value": {"likes": "black"}}),
    "GET /store/items": (200, {"namespace": "mine", "key": "tea"}),
    "POST /store/items/search": (200, {"namespace_prefix": ["mine"]}),
    "POST /store/namespaces": (200, {"prefix": ["mine"]}),
    "GET /v1/models": (200, {}),
    "POST /v1/chat/completions": (
        200,
        {"model": "echo", "messages": SAID["messages"], "metadata": {"thread_id": "{thread}"}},
    ),
    "GET /v1/models/{name}": (200, {}),
    "GET /v1/chat/completions/{completion}": (200, {}),
    "GET /threads/{thread}/stream": (200, {}),
    "POST /threads/{thread}/stream/events": (200, {"channels": ["values"]}),
    "POST /threads/{thread}/commands": (
        200,
        {"id": 1, "method": "input.respond", "params": {"interrupt_id": "x"}},
    ),
    "GET /metrics": (404, {}),  # for the operator alone
    "DELETE /store/items": (204, ITEM),
    "DELETE /threads/{thread}/runs/{run}": (204, {}),
    "POST /threads/prune": (200, {"thread_ids": ["{thread}"], "strategy": "keep_latest"}),
    "DELETE /threads/{thread}": (204, {}),
    "DELETE /assistants/{assistant}": (204, {}),
}
"""What the owner of the ids is answered, and what is sent: each request is right, so that only the asker is wrong."""

MAKES = {"POST /threads", "POST /v1/chat/completions", "POST /assistants"}
"""A stranger who names what is not there makes one of its own: two tenants, two threads."""

PUBLIC = {"GET /v1/models/{name}"}
"""What names nothing of a tenant's."""

ENDLESS = {"GET /threads/{thread}/stream", "POST /threads/{thread}/stream/events"}
"""Their answers end with their reader."""

SERVED = {
    "POST /assistants/search", "POST /assistants/count", "GET /v1/models", "GET /v1/models/{name}", "POST /assistants",
    "POST /runs",
}  # fmt: skip
"""What names the graphs that are served, to everybody."""

NOTHING = {
    "",
    "[]",
    "0",
    "null",
    '{"pruned_count":0}',
    'event: error\ndata: {"error":"HTTPException","message":"404: Run not found"}\n\n',
    '{"type":"error","id":1,"error":"no_such_interrupt","message":"Unknown or already-consumed interrupt: x"}',
    '{"__error__":{"error":"HTTPException","message":"404: Run not found"}}',
}
"""What those are told who join, count or find what is not there."""


class World:
    """A server, two tenants and what the first one has."""

    def __init__(self, server: Server, keys: Path, redis: Redis) -> None:
        self.redis = redis
        self.owner = httpx.Client(base_url=server.url, headers={"x-api-key": add("owner", keys)}, timeout=60)
        self.stranger = httpx.Client(base_url=server.url, headers={"x-api-key": add("stranger", keys)}, timeout=60)
        self.nobody = httpx.Client(base_url=server.url, timeout=60)
        thread = self.owner.post("/threads", json=SEARCH).json()["thread_id"]
        run = self.owner.post(f"/threads/{thread}/runs", json={"assistant_id": "steps", "input": {"name": "a"}}).json()
        self.owner.get(f"/threads/{thread}/runs/{run['run_id']}/join")
        state = self.owner.get(f"/threads/{thread}/state").json()
        form = {**FORM, "graph_id": "outer"}
        chat = {"model": "echo", "store": True, **SAID}
        self.ids = {
            "thread": thread,
            "run": run["run_id"],
            "checkpoint": state["checkpoint"]["checkpoint_id"],
            "assistant": self.owner.post("/assistants", json=form).json()["assistant_id"],
            "ref": "res:000000000",
            "name": "steps",
            "completion": self.owner.post("/v1/chat/completions", json=chat).json()["id"].removeprefix("chatcmpl-"),
            "ns": "inner",
            "cron": self.owner.post(f"/threads/{thread}/runs/crons", json=CRON).json()["cron_id"],
        }
        self.owner.put("/store/items", json={**ITEM, "value": {"likes": "green"}})

    def ask(self, who: httpx.Client, operation: str, ids: Ids) -> httpx.Response:
        method, _, path = operation.partition(" ")
        sent = filled(ROWS[operation][1], ids)
        url = filled(path, ids)
        if operation in ENDLESS:
            with who.stream(method, url, json=sent if method == "POST" else None) as answer:
                text = b"" if answer.status_code == 200 else answer.read()
                return httpx.Response(answer.status_code, headers=answer.headers, content=text)
        if method == "GET":
            return who.get(url, params=sent)
        return who.request(method, url, json=sent.get("", sent))

    def look(self) -> list[Any]:
        """All that the owner sees of its things."""
        thread, run, assistant = (self.ids[name] for name in ("thread", "run", "assistant"))
        paths = [f"/threads/{thread}", f"/threads/{thread}/runs", f"/threads/{thread}/runs/{run}"]
        paths += [f"/threads/{thread}/history", f"/assistants/{assistant}", "/store/items?namespace=mine&key=tea"]
        paths += [f"/runs/crons/{self.ids['cron']}"]
        return [self.owner.get(path).json() for path in paths]

    def work(self) -> dict[str, int]:
        """How often the server was asked for what, but for what workers ask of themselves."""
        told: Any = self.redis.info("commandstats")
        own = {"cmdstat_info", "cmdstat_zrange", "cmdstat_exists", "cmdstat_xread", "cmdstat_ping", "cmdstat_client"}
        return {name: found["calls"] for name, found in told.items() if name.split("|")[0] not in own}


def filled(given: Any, ids: Ids) -> Any:
    if isinstance(given, dict):
        return {key: filled(value, ids) for key, value in given.items()}
    if isinstance(given, list):
        return [filled(one, ids) for one in given]
    return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], given) if isinstance(given, str) else given


def unknown(ids: Ids) -> Ids:
    """Ids of the same shape that were never given out."""
    return {name: str(uuid.uuid4()) if name not in {"ref", "ns", "name"} else value for name, value in ids.items()}


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """An answer, with what is new in each left out: ids and times."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", answer.text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)", "<time>", text)
    # What a model has cached is its own affair: the simulated one is the same for all, as a provider's is for one key.
    text = re.sub(r'"created":\d+|id: \d+-\d+|"cached_tokens":\d+', "<varies>", text)
    return answer.status_code, text, sorted(answer.headers)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("isolation")
    keys = folder / "keys"
    add("first", keys)
    with serving("valkey", folder / "store") as store:
        assert store is not None
        server = Server(folder, "served:served", "--keys", str(keys), "--store", store.url)
        redis = Redis.from_url(store.url)
        made = World(server.start(), keys, redis)
        yield made
        for one in (made.owner, made.stranger, made.nobody, redis):
            one.close()
        server.kill()


def operations(world: World) -> set[str]:
    paths = world.nobody.get("/openapi.json").json()["paths"]
    found = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    return {operation for operation in found if operation.partition(" ")[2] not in OPEN}


def test_every_operation_has_a_row_here_and_a_word_in_the_rules(world: World) -> None:
    assert operations(world) == set(ROWS)
    assert {name.replace(":path", "") for name in ACTIONS} == set(ROWS)


def test_nobody_is_told_anything_without_a_key(world: World) -> None:
    answers = {told(world.ask(world.nobody, operation, world.ids))[:2] for operation in ROWS}
    assert answers == {(401, '{"detail":"Invalid or missing API key"}')}


def test_a_stranger_is_told_what_it_would_be_told_about_nothing(world: World) -> None:
    before = world.look()
    kept = re.compile("first a|second a|green|outer")  # the state, the item, the assistant
    for operation in sorted(ROWS, key=MAKES.__contains__):  # what it makes bears the ids that it named: last
        nothing = unknown(world.ids)
        foreign, missing = (
            world.ask(world.stranger, operation, world.ids),
            world.ask(world.stranger, operation, nothing),
        )
        assert told(foreign) == told(missing), operation
        assert foreign.status_code < 500, operation
        if operation not in MAKES | PUBLIC and "{" in f"{operation}{ROWS[operation][1].values()}":
            assert foreign.status_code == 404 or foreign.text in NOTHING, operation
        assert operation in SERVED or not kept.search(foreign.text), operation
        assert operation.startswith("GET") or world.look() == before, operation
    for path in (f"/threads/{world.ids['thread']}", f"/assistants/{world.ids['assistant']}"):
        assert world.stranger.delete(path).status_code == 204  # its own
    assert world.look() == before


def test_the_store_does_the_same_work_for_a_stranger_as_for_nothing(world: World) -> None:
    """Whoever measures time learns nothing, since there is nothing to measure."""

    def work(operation: str, ids: Ids) -> dict[str, int]:
        before = world.work()
        world.ask(world.stranger, operation, ids)
        return {
            name: calls - before.get(name, 0) for name, calls in world.work().items() if calls > before.get(name, 0)
        }

    reading = [name for name in ROWS if name.startswith("GET /threads/{thread}")]
    reading += ["GET /assistants/{assistant}", "GET /runs/crons/{cron}", "GET /runs/{run}/prompts"]
    reading += ["POST /threads/{thread}/copy"]
    for operation in reading:
        tries = [(work(operation, world.ids), work(operation, unknown(world.ids))) for _ in range(3)]
        assert any(foreign == missing for foreign, missing in tries), (operation, tries)


def test_the_owner_may_do_what_the_stranger_may_not(world: World) -> None:
    """The rows are right: it was not for another reason that the stranger was refused."""
    for operation, (status, _) in ROWS.items():
        answer = world.ask(world.owner, operation, world.ids)
        assert answer.status_code == status, (operation, answer.text[:300])


def test_results_and_usage_of_an_agent_are_its_tenants(world: World) -> None:
    name = world.owner.post("/threads", json={}).json()["thread_id"]
    world.owner.post(f"/threads/{name}/runs/wait", json={"assistant_id": "book", "input": {"task": "read"}})
    for below in ("usage", "state", "history", "results/res:000000000"):
        assert world.stranger.get(f"/threads/{name}/{below}").status_code == 404


def test_two_tenants_may_give_the_same_id_to_two_threads(world: World) -> None:
    name = str(uuid.uuid4())
    for who, mark in ((world.owner, "owner"), (world.stranger, "stranger")):
        assert who.post("/threads", json={"thread_id": name, "metadata": {"of": mark}}).status_code == 200
    assert [who.get(f"/threads/{name}").json()["metadata"]["of"] for who in (world.owner, world.stranger)] == [
        "owner",
        "stranger",
    ]
    assert world.stranger.delete(f"/threads/{name}").status_code == 204
    assert world.owner.get(f"/threads/{name}").status_code == 200
