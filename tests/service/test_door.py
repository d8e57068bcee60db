"""Who is let in, how often, and with how much."""

from __future__ import annotations

import asyncio
import os
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangGraph reads the node's annotations
from langgraph.graph import START, StateGraph
from langgraph_sdk import Auth
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from satchel import Agent
from satchel.memory.errors import ConfigError
from satchel.runtime.service import app
from satchel.runtime.service.api_keys import Keys, add, make
from satchel.runtime.service.settings import configured
from tests.service.door import behind

if TYPE_CHECKING:
    from pathlib import Path

ECHO = {"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": "hello"}]}}


async def test_without_a_key_only_what_says_that_the_server_lives_is_open() -> None:
    key, line = make("ann")
    async with behind(line) as client:
        for path in ("/ok", "/healthz", "/readyz", "/info", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
        refused = [
            await client.get("/threads/x"),
            await client.post("/threads"),
            await client.get("/nowhere"),
            await client.get("/metrics"),
            await client.post("/threads", content=b"{" * 9_000_000),
            await client.get("/threads/x", headers={"x-api-key": key[:-1]}),
            await client.get("/threads/x", headers={"authorization": "Basic " + key}),
        ]
        assert {(one.status_code, one.text, one.headers["www-authenticate"]) for one in refused} == {
            (401, '{"detail":"Invalid or missing API key"}', "Bearer")
        }
        for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
            assert (await client.post("/threads", json={}, headers=headers)).status_code == 200


async def test_a_websocket_without_a_key_is_refused_before_it_opens() -> None:
    made = app({"echo": Agent("sim:echo")}, store="memory://", auth=make("ann")[1])
    scope = {"type": "websocket", "path": "/threads/x/stream/events", "headers": [], "query_string": b""}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await made(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert not made.state.service.ready  # nothing was opened for it


async def test_a_file_of_keys_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    ann, bob = add("ann", path), add("bob", path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert ann not in path.read_text()
    async with behind(path) as client:

        async def status(key: str) -> int:
            return (await client.post("/threads/search", json={}, headers={"x-api-key": key})).status_code

        assert [await status(ann), await status(bob)] == [200, 200]
        path.write_text(path.read_text().splitlines()[1])
        assert [await status(ann), await status(bob)] == [401, 200]
        path.unlink()
        assert await status(bob) == 401


@pytest.mark.parametrize("given", ["", "ann:secret", "no/such/file"])
def test_what_holds_no_key_is_refused_when_the_application_is_made(given: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(given)
    with pytest.raises(ConfigError):
        Keys(tmp_path / "keys" if "/" not in given else tmp_path / given)


async def test_a_coroutine_function_says_whose_a_token_is() -> None:
    async def find(given: str) -> str | None:
        if given == "broken":
            raise RuntimeError("the directory is down")
        return {"a": "ann", "b": "bob"}.get(given)

    async with behind(find) as client:
        said = {}
        for token in ("a", "b", "c", "broken"):
            answer = await client.post("/threads/count", json={}, headers={"authorization": f"Bearer {token}"})
            said[token] = answer.status_code
        assert said == {"a": 200, "b": 200, "c": 401, "broken": 503}


def shop() -> Auth:
    """Users `NAME` and, in one tenant, `team:NAME`; a thread is its owner's and its guests'."""
    auth = Auth()

    @auth.authenticate
    async def who(authorization: str | None, headers: dict[bytes, bytes]) -> Any:
        name = (authorization or "").removeprefix("Bearer ")
        assert headers[b"host"] == b"test"
        if not name:
            raise Auth.exceptions.HTTPException(status_code=401, detail="who are you?")
        team, _, person = name.rpartition(":")
        return {"identity": person, "tenant": team or None, "permissions": ["delete"] if person == "ann" else []}

    @auth.on.threads
    async def threads(ctx: Any, value: Any) -> Any:  # noqa: ARG001 - the shape of a handler
        return {"guests": {"$contains": ctx.user.identity}}

    @auth.on.threads.create
    async def create(ctx: Any, value: Any) -> Any:
        value["metadata"]["owner"] = ctx.user.identity
        value["metadata"].setdefault("guests", []).append(ctx.user.identity)

    @auth.on.threads.delete
    async def delete(ctx: Any, value: Any) -> Any:  # noqa: ARG001 - the shape of a handler
        return {"owner": ctx.user.identity} if "delete" in ctx.user.permissions else False

    @auth.on.store
    async def store(ctx: Any, value: Any) -> Any:
        value["namespace"] = (ctx.user.identity, *(value["namespace"] or ()))

    @auth.on.assistants
    async def assistants(ctx: Any, value: Any) -> Any:
        value["metadata"]["owner"] = ctx.user.identity
        return {"owner": ctx.user.identity}

    return auth


async def test_handlers_of_langgraphs_auth_decide_within_a_tenant() -> None:
    async with behind(shop()) as client:

        async def ask(who: str, method: str, path: str, **more: Any) -> Any:
            return await client.request(method, path, headers={"authorization": f"Bearer {who}"}, **more)

        assert (await client.get("/threads/x")).json() == {"detail": "who are you?"}
        guests = {"metadata": {"owner": "somebody", "guests": ["bob"]}}
        made = (await ask("team:ann", "POST", "/threads", json=guests)).json()
        assert made["metadata"] == {"owner": "ann", "guests": ["bob", "ann"]}
        path = f"/threads/{made['thread_id']}"
        assert [(await ask(f"team:{who}", "GET", path)).status_code for who in ("ann", "bob", "eve")] == [200, 200, 404]
        assert (await ask("ann", "GET", path)).status_code == 404  # another tenant, the same name
        missing = await ask("team:eve", "GET", f"/threads/{uuid.uuid4()}")
        assert (await ask("team:eve", "GET", path)).text.replace(path[9:], "") == missing.text.replace(
            str(missing.url).rpartition("/")[2], ""
        )
        for who, count in (("team:bob", 1), ("team:eve", 0), ("ann", 0)):
            assert (await ask(who, "POST", "/threads/count", json={})).json() == count
            assert len((await ask(who, "POST", "/threads/search", json={})).json()) == count
        assert (await ask("team:eve", "POST", f"{path}/runs", json=ECHO)).status_code == 404
        run = (await ask("team:bob", "POST", f"{path}/runs", json=ECHO)).json()
        assert (await ask("team:bob", "GET", f"{path}/runs/{run['run_id']}/join")).json()["output"] == "hello"
        for below in (f"/runs/{run['run_id']}", "/state", "/usage", "/runs"):
            assert (await ask("team:eve", "GET", path + below)).status_code == 404
        assert (await ask("team:eve", "GET", f"/runs/{run['run_id']}/prompts")).status_code == 404
        assert (await ask("team:bob", "DELETE", path)).status_code == 403
        assert (await ask("team:ann", "DELETE", path)).status_code == 204
        item = {"namespace": ["tea"], "key": "k", "value": {"v": 1}}
        await ask("team:ann", "PUT", "/store/items", json=item)
        asked = {"params": {"namespace": "tea", "key": "k"}}
        assert (await ask("team:ann", "GET", "/store/items", **asked)).json()["namespace"] == ["ann", "tea"]
        assert (await ask("team:bob", "GET", "/store/items", **asked)).json() is None
        mine = (await ask("team:ann", "POST", "/assistants", json={"graph_id": "echo"})).json()
        assert mine["metadata"] == {"owner": "ann"}
        used = {**ECHO, "assistant_id": mine["assistant_id"]}
        assert (await ask("team:bob", "GET", f"/assistants/{mine['assistant_id']}")).status_code == 404
        assert (await ask("team:ann", "GET", f"/assistants/{mine['assistant_id']}")).status_code == 200
        assert (await ask("team:bob", "POST", "/runs/wait", json=used)).status_code == 404
        assert (await ask("team:ann", "POST", "/runs/wait", json=used)).json()["output"] == "hello"


async def test_a_key_that_comes_too_often_is_told_when_to_come_again() -> None:
    (ann, first), (bob, second) = make("ann"), make("bob")
    async with behind(f"{first};{second}", requests=0.5, burst=3) as client:
        said = [await client.post("/threads/count", json={}, headers={"x-api-key": ann}) for _ in range(4)]
        assert [one.status_code for one in said] == [200, 200, 200, 429]
        assert said[-1].headers["retry-after"] == "2"
        assert (await client.post("/threads/count", json={}, headers={"x-api-key": bob})).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"metadata":{"x":"%b"}}' % (b"a" * 5_000), 413),
        (b'{"metadata":{"x":"%b"}}' % (b"a" * 500), 422),
        (b'{"metadata":{"%b":1}}' % (b"a" * 500), 422),
        (b'{"metadata":' + b'{"x":' * 10 + b"1" + b"}" * 11, 422),
        (b"[" * 4_000, 422),
        (b"[" * 2_000 + b"]" * 2_000, 422),
        (b'{"metadata":{"x":"\\ud800"}}', 422),
        (b'{"metadata":{"x":NaN}}', 422),
        (b'{"metadata":{"x":%b}}' % (b"9" * 4_070), 200),
        (b"\xff\xfe", 422),
        (b'{"metadata":' + b'{"x":' * 8 + b"1" + b"}" * 9, 200),
    ],
)
async def test_a_body_has_limits(body: bytes, status: int) -> None:
    async with behind(body_bytes=4_096, json_depth=10, string_length=400) as client:
        answer = await client.post("/threads", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status, answer.text[:200]
        in_pieces = await client.post("/threads", content=_pieces(body), headers={"content-type": "application/json"})
        assert in_pieces.status_code == status


async def _pieces(body: bytes) -> Any:
    for start in range(0, len(body), 1_000):
        yield body[start : start + 1_000]


async def test_a_second_content_type_does_not_hide_the_first() -> None:
    async with behind(json_depth=4) as client:
        headers = [("content-type", "application/json"), ("content-type", "text/plain")]
        deep = b'{"metadata":' + b'{"x":' * 8 + b"1" + b"}" * 9
        answers = [await client.post("/threads", content=deep, headers=each) for each in (headers, headers[::-1])]
        assert {answer.status_code for answer in answers} == {422}


class Who(TypedDict, total=False):
    found: dict[str, Any]


async def look(state: Who, config: RunnableConfig) -> Who:  # noqa: ARG001 - the shape of a node
    given = config["configurable"]
    return {"found": {name: given[name] for name in ("langgraph_auth_user", "langgraph_auth_user_id") if name in given}}


async def test_a_graph_is_told_who_calls_and_a_caller_cannot_say_it_is_another() -> None:
    graph = StateGraph(Who).add_node(look).add_edge(START, "look").compile()
    forged = {"configurable": {"langgraph_auth_user": {"identity": "root"}, "langgraph_auth_user_id": "root"}}
    asked = {"assistant_id": "who", "input": {}, "config": forged}
    for auth, found in ((shop(), {"langgraph_auth_user_id": "ann"}), (None, {})):
        async with behind(auth, {"who": graph}) as client:
            answer = await client.post("/runs/wait", json=asked, headers={"authorization": "Bearer ann"})
            assert answer.json() == {"found": found}


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def slow() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    async with behind(body_seconds=0.05) as client:
        answer = await client.post("/threads", content=slow(), headers={"content-type": "application/json"})
        assert answer.status_code == 408


async def test_a_thread_and_a_tenant_have_room_for_so_many_runs() -> None:
    later = {**ECHO, "after_seconds": 3_600}
    async with behind(thread_queue=2, tenant_queue=3) as client:
        name, other = [(await client.post("/threads", json={})).json()["thread_id"] for _ in range(2)]
        said = [await client.post(f"/threads/{name}/runs", json=later) for _ in range(3)]
        said += [await client.post(f"/threads/{other}/runs", json=later) for _ in range(2)]
        assert [one.status_code for one in said] == [200, 200, 429, 200, 429]
        assert all(one.headers["retry-after"] for one in said if one.status_code == 429)


async def test_a_tenant_has_room_for_so_many_open_requests() -> None:
    (ann, first), (bob, second) = make("ann"), make("bob")
    go = asyncio.Event()
    begun = asyncio.Queue[None]()

    async def held() -> Any:
        begun.put_nowait(None)
        await go.wait()
        yield b"{}"

    async with behind(f"{first};{second}", open=2) as client:
        json = {"content-type": "application/json"}
        waiting = [
            asyncio.create_task(client.post("/threads", content=held(), headers={"x-api-key": ann, **json}))
            for _ in range(2)
        ]
        for _ in waiting:
            await begun.get()
        refused = await client.post("/threads", json={}, headers={"x-api-key": ann})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert (await client.post("/threads", json={}, headers={"x-api-key": bob})).status_code == 200
        go.set()
        assert [(await one).status_code for one in waiting] == [200, 200]
        assert (await client.post("/threads", json={}, headers={"x-api-key": ann})).status_code == 200


async def test_browsers_may_call_from_named_pages_alone() -> None:
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    async with behind() as client:
        assert "access-control-allow-origin" not in (await client.options("/threads", headers=asked)).headers
    async with behind(make("ann")[1], origins=("https://a.example",)) as client:
        allowed = await client.options("/threads", headers={**asked, "access-control-request-headers": "x-api-key"})
        assert allowed.headers["access-control-allow-origin"] == "https://a.example"
        assert "x-api-key" in allowed.headers["access-control-allow-headers"]
        refused = await client.post("/threads", headers={"origin": "https://a.example"})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://a.example")
        assert "Content-Location" in refused.headers["access-control-expose-headers"]
        other = await client.options("/threads", headers={**asked, "origin": "https://b.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_a_host_that_is_not_ours_is_not_answered() -> None:
    async with behind(hosts=("localhost",)) as client:
        assert (await client.get("/ok")).status_code == 400
        assert (await client.get("/ok", headers={"host": "localhost:2024"})).status_code == 200


async def test_figures_of_all_tenants_are_for_the_operator() -> None:
    (ann, first), (ops, second) = make("ann"), make("ops")
    async with behind(f"{first};{second}", operator="ops") as client:
        assert (await client.get("/metrics", headers={"x-api-key": ann})).status_code == 404
        assert (await client.get("/metrics", headers={"x-api-key": ops})).status_code == 200


def test_settings_come_from_the_environment_and_a_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SATCHEL_SERVE_ORIGINS", "https://a.example, https://b.example")
    assert configured().origins == ("https://a.example", "https://b.example")
    monkeypatch.setitem(os.environ, "SATCHEL_SERVE_BURST", "none")
    with pytest.raises(ConfigError, match="burst"):
        configured()
    monkeypatch.delitem(os.environ, "SATCHEL_SERVE_BURST")
    with pytest.raises(ConfigError, match="no file of keys"):
        app({"echo": "x"}, auth=7)
