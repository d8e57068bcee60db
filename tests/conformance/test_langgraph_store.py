"""What `RedisStore` promises to LangGraph, run over the table of backends."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore, GetOp, InvalidNamespaceError, ListNamespacesOp, PutOp, SearchOp

from satchel.memory import RedisStore
from satchel.memory.codec import pack
from satchel.memory.errors import ConfigError, DamagedEntry, StoreUnreachable
from satchel.memory.item_scripts import DUE
from satchel.memory.server_items import CHUNK, PAGE, SPACES
from tests.shelves import Shelf, shelved
from tests.stores import EVERYWHERE, SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langgraph.store.base import Op

    from satchel.memory.embedded import EmbeddedServer

every = pytest.mark.parametrize("shelf", EVERYWHERE, indirect=True)
servers = pytest.mark.parametrize("shelf", SERVERS, indirect=True)


@pytest.fixture
def shelf(request: pytest.FixtureRequest, server: Callable[[str], EmbeddedServer | None]) -> Iterator[Shelf]:
    with shelved(server(request.param)) as shelf:
        yield shelf


def keys_of(items: list[Any]) -> list[str]:
    return [item.key for item in items]


@every
def test_an_item_is_put_got_overwritten_and_deleted(shelf: Shelf) -> None:
    store = shelf.store
    assert store.get(("users", "ann"), "tea") is None
    store.put(("users", "ann"), "tea", {"likes": ["green", {"with": None}], "cups": 2.5})
    first = store.get(("users", "ann"), "tea")
    assert first is not None
    assert (first.namespace, first.key) == (("users", "ann"), "tea")
    assert first.value == {"likes": ["green", {"with": None}], "cups": 2.5}
    assert abs(datetime.now(UTC) - first.created_at).total_seconds() < 60
    store.put(("users", "ann"), "tea", {"likes": []})
    second = store.get(("users", "ann"), "tea")
    assert second is not None
    assert second.value == {"likes": []}
    assert second.created_at == first.created_at <= first.updated_at < second.updated_at
    store.delete(("users", "ann"), "tea")
    store.delete(("users", "ann"), "tea")
    assert store.get(("users", "ann"), "tea") is None


@every
def test_one_store_serves_threads_and_several_event_loops(shelf: Shelf) -> None:
    async def write(name: str) -> None:
        await asyncio.gather(*(shelf.store.aput((name,), str(n), {"n": n}) for n in range(20)))
        shelf.store.put((name,), "from inside a running loop", {})

    threads = [threading.Thread(target=asyncio.run, args=(write(f"loop {n}"),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shelf.store.search((), limit=100)) == 84
    assert shelf.store.list_namespaces() == [(f"loop {n}",) for n in range(4)]


@every
async def test_both_faces_give_the_same(shelf: Shelf) -> None:
    store = shelf.store
    await store.aput(("a", "b"), "k", {"n": 1})
    assert await store.aget(("a", "b"), "k") == store.get(("a", "b"), "k")
    assert await store.asearch(("a",)) == store.search(("a",)) != []
    assert await store.alist_namespaces(prefix=("a",)) == store.list_namespaces(prefix=("a",)) == [("a", "b")]
    await store.adelete(("a", "b"), "k")
    assert await store.alist_namespaces() == []


@every
def test_a_search_gives_items_as_they_came_namespace_by_namespace(shelf: Shelf) -> None:
    store = shelf.store
    for path, key in [
        (("z",), "2"),
        (("z", "y"), "x"),
        (("z",), "1"),
        (("zz",), "far"),
        (("z", "a"), "w"),
        (("z",), "3"),
    ]:
        store.put(path, key, {})
    assert keys_of(store.search(("z",))) == ["2", "1", "3", "x", "w"]
    store.put(("z",), "2", {"again": True})
    assert keys_of(store.search(("z",), limit=2)) == ["2", "1"]
    store.delete(("z",), "2")
    store.put(("z",), "2", {})
    assert keys_of(store.search(("z",), offset=1, limit=3)) == ["3", "2", "x"]
    assert keys_of(store.search((), offset=4)) == ["far", "w"]
    assert store.search(("nowhere",)) == store.search(("z",), limit=0) == store.search(("z",), offset=9) == []


@every
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"n": 1}, ["1"]),
        ({"n": {"$eq": 2}}, ["2"]),
        ({"n": {"$ne": 2}}, ["1", "3", "text", "none"]),
        ({"n": {"$gt": 1}}, ["2", "3", "text"]),
        ({"n": {"$gte": 2, "$lt": 4.5}}, ["2", "3"]),
        ({"n": {"$lte": "2"}}, ["1", "2"]),
        ({"n": None}, ["none"]),
        ({"deep": {"list": [1, {"$gt": 1}]}}, ["3"]),
        ({"deep": {"list": (1, 2)}}, ["3"]),
        ({"n": 3, "deep": {}}, ["3"]),
        ({"n": 3, "absent": 1}, []),
        ({}, ["1", "2", "3", "text", "none"]),
    ],
)
def test_a_search_filters(shelf: Shelf, wanted: dict[str, Any], found: list[str]) -> None:
    values: dict[str, dict[str, Any]] = {
        "1": {"n": 1},
        "2": {"n": 2},
        "3": {"n": 3, "deep": {"list": [1, 2]}},
        "text": {"n": "5"},
        "none": {},
    }
    shelf.store.batch([PutOp(("n",), key, value) for key, value in values.items()])
    assert keys_of(shelf.store.search(("n",), filter=wanted)) == found


@every
def test_namespaces_are_listed_by_prefix_suffix_and_depth(shelf: Shelf) -> None:
    store = shelf.store
    for path in [("a", "c", "f"), ("a", "b", "d", "i"), ("a", "b", "c"), ("a", "b", "f"), ("a", "b", "d", "e"), ("b",)]:
        store.put(path, "k", {})
    assert store.list_namespaces(prefix=("a", "b"), max_depth=3) == [("a", "b", "c"), ("a", "b", "d"), ("a", "b", "f")]
    assert store.list_namespaces(suffix=("f",)) == [("a", "b", "f"), ("a", "c", "f")]
    assert store.list_namespaces(prefix=("*", "c")) == [("a", "c", "f")]
    assert store.list_namespaces(prefix=("a", "*", "d"), suffix=("*", "e")) == [("a", "b", "d", "e")]
    assert store.list_namespaces(max_depth=1, offset=1) == [("b",)]
    assert store.list_namespaces(limit=1, offset=2) == [("a", "b", "d", "i")]
    assert store.list_namespaces(max_depth=0) == [()]
    store.get(("only", "asked"), "for")
    store.delete(("b",), "k")
    assert store.list_namespaces(max_depth=1) == [("a",)]


@every
def test_a_batch_reads_what_was_there_before_and_the_last_write_counts(shelf: Shelf) -> None:
    store = shelf.store
    store.put(("a",), "old", {"n": 0})
    got, _, searched, listed, *rest = store.batch(
        [
            GetOp(("a",), "new"),
            PutOp(("a",), "new", {"n": 1}),
            SearchOp(("a",)),
            ListNamespacesOp(),
            PutOp(("b",), "k", {}),
            PutOp(("a",), "new", {"n": 2}),
            PutOp(("a",), "old", None),
            GetOp(("a",), "old"),
        ]
    )
    assert got is None
    assert isinstance(searched, list)
    assert keys_of(searched) == ["old"]
    assert listed == [("a",)]
    assert rest[:3] == [None] * 3
    assert rest[3].value == {"n": 0}  # type: ignore[union-attr]  # it is an item
    assert [(item.key, item.value) for item in store.search(())] == [("new", {"n": 2}), ("k", {})]


@every
def test_a_batch_that_cannot_be_done_writes_nothing(shelf: Shelf) -> None:
    good = PutOp(("a",), "k", {})
    bad: list[Op] = [
        PutOp(("a",), "x", {"x": math.nan}),
        SearchOp(("a",), query="tea"),
        SearchOp((), {"n": {"$in": []}}),
    ]
    for op in bad:
        with pytest.raises(ConfigError):
            shelf.store.batch([good, op])
    assert shelf.store.search(()) == []


@every
def test_thousands_of_items_and_namespaces(shelf: Shelf) -> None:
    many = max(2 * CHUNK, 2 * PAGE) + 7
    shelf.store.batch([PutOp(("many",), f"{n:04d}", {"n": n}) for n in range(many)])
    shelf.store.batch([PutOp(("u", f"{n:05d}"), "k", {"n": n}) for n in range(2 * SPACES + 7)])
    assert keys_of(shelf.store.search(("many",), limit=many)) == [f"{n:04d}" for n in range(many)]
    assert keys_of(shelf.store.search(("many",), offset=PAGE, limit=1)) == [f"{PAGE:04d}"]
    last = shelf.store.search(("u",), offset=2 * SPACES + 5, limit=9)
    assert [item.value["n"] for item in last] == [2 * SPACES + 5, 2 * SPACES + 6]
    tail = shelf.store.search(("u",), filter={"n": {"$gte": 2 * SPACES}}, offset=1, limit=2)
    assert [item.value["n"] for item in tail] == [2 * SPACES + 1, 2 * SPACES + 2]
    assert len(shelf.store.list_namespaces(prefix=("u",), limit=9_999)) == 2 * SPACES + 7
    got = shelf.store.batch([GetOp(("many",), f"{n:04d}") for n in range(many)])
    assert [item.value["n"] for item in got] == list(range(many))  # type: ignore[union-attr]  # they are items


@every
def test_large_values_come_page_by_page(shelf: Shelf) -> None:
    for n in range(5):
        shelf.store.put(("large",), str(n), {"text": "x" * 3_000_000, "n": n})
    assert [item.value["n"] for item in shelf.store.search(("large",))] == [0, 1, 2, 3, 4]


@every
def test_a_search_by_meaning_is_refused_and_an_index_is_ignored(shelf: Shelf) -> None:
    shelf.store.put(("a",), "k", {"text": "tea"}, index=["text"])
    shelf.store.put(("a",), "j", {"text": "tea"}, index=False)
    with pytest.raises(ConfigError, match=r"no vector index; search with filter="):
        shelf.store.search(("a",), query="drinks")
    assert keys_of(shelf.store.search(("a",), query="")) == ["k", "j"]


@every
@pytest.mark.parametrize("label", ["", "a.b", "a\0b", 7])
def test_a_label_that_langgraph_refuses_is_refused_in_a_bare_batch_too(shelf: Shelf, label: Any) -> None:
    bad: list[Op] = [GetOp(("a", label), "k"), PutOp((label,), "k", {}), SearchOp((label,))]
    for op in bad:
        with pytest.raises(InvalidNamespaceError):
            shelf.store.batch([op])
    with pytest.raises(InvalidNamespaceError):
        shelf.store.list_namespaces(suffix=(label,))


@every
@pytest.mark.parametrize(
    "op",
    [
        SearchOp((), limit=-1),
        SearchOp((), offset=-1),
        ListNamespacesOp(max_depth=-1),
        "get",
        SearchOp((), {"n": {"$lt": "x"}}),
    ],
)
def test_an_operation_that_means_nothing_is_refused(shelf: Shelf, op: Any) -> None:
    with pytest.raises(ConfigError):
        shelf.store.batch([op])


@every
@pytest.mark.parametrize(
    "value",
    [math.inf, 1 << 70, {1: 2}, {"a", "b"}, b"bytes", datetime.now(UTC), "\ud800", object(), {"\ud800": 1}],
    ids=["infinity", "huge", "number as key", "set", "bytes", "date", "surrogate", "object", "surrogate as key"],
)
def test_a_value_that_would_not_come_back_as_it_is_is_refused(shelf: Shelf, value: object) -> None:
    with pytest.raises(ConfigError, match=r"item 'k' in .* is not a JSON object"):
        shelf.store.put(("a",), "k", {"deep": [value]})
    assert shelf.store.get(("a",), "k") is None


@every
def test_a_value_is_a_copy_and_a_tuple_comes_back_as_a_list(shelf: Shelf) -> None:
    given: dict[str, Any] = {"pair": (1, 2), "list": [1]}
    shelf.store.put(("a",), "k", given)
    given["list"].append(2)
    for _ in range(2):
        item = shelf.store.get(("a",), "k")
        assert item is not None
        assert item.value == {"pair": [1, 2], "list": [1]}
        item.value["list"].append(3)
    with pytest.raises(ConfigError):
        shelf.store.put(("a",), "k", ["no object"])  # type: ignore[arg-type]  # what it refuses


# Time to live.


@every
def test_what_has_expired_is_gone_from_every_answer(shelf: Shelf) -> None:
    store = shelf.store
    store.put(("brief",), "k", {}, ttl=10)
    store.put(("mixed",), "brief", {}, ttl=10)
    store.put(("mixed",), "lasting", {})
    store.put(("mixed",), "longer", {}, ttl=30)
    shelf.later(9)
    assert len(store.search((), refresh_ttl=False)) == 4
    shelf.later(2)
    assert store.get(("brief",), "k") is None
    assert keys_of(store.search((), refresh_ttl=False)) == ["lasting", "longer"]
    assert store.list_namespaces() == [("mixed",)]
    shelf.later(30)
    assert keys_of(store.search(())) == ["lasting"]


@every
def test_reading_begins_the_time_to_live_anew_unless_told_otherwise(shelf: Shelf) -> None:
    store = shelf.store
    for key in ("got", "searched", "peeked", "skipped"):
        store.put(("a",), key, {"key": key}, ttl=10)
    shelf.later(6)
    assert store.get(("a",), "got")
    assert store.search(("a",), filter={"key": "searched"})
    assert store.search(("a",), filter={"key": "skipped"}, offset=1) == []
    assert store.get(("a",), "peeked", refresh_ttl=False)
    assert store.search(("a",), refresh_ttl=False, filter={"key": "peeked"})
    shelf.later(6)
    assert keys_of(store.search(("a",))) == ["got", "searched"]


@every
def test_writing_sets_the_time_to_live_or_takes_it_away(shelf: Shelf) -> None:
    store = shelf.store
    for key in ("longer", "for ever", "shorter"):
        store.put(("a",), key, {}, ttl=10)
    store.put(("a",), "longer", {}, ttl=60)
    store.put(("a",), "for ever", {})
    store.put(("a",), "shorter", {}, ttl=1)
    shelf.later(2)
    assert keys_of(store.search(("a",), refresh_ttl=False)) == ["longer", "for ever"]
    shelf.later(50)
    assert keys_of(store.search(("a",), refresh_ttl=False)) == ["longer", "for ever"]
    shelf.later(20)
    assert keys_of(store.search(("a",))) == ["for ever"]


@every
def test_an_item_written_after_its_end_is_a_new_one(shelf: Shelf) -> None:
    store = shelf.store
    store.put(("a",), "k", {}, ttl=10)
    old = store.get(("a",), "k")
    store.put(("a",), "j", {})
    shelf.later(11)
    store.put(("a",), "k", {})
    new = store.get(("a",), "k")
    assert old is not None
    assert new is not None
    assert new.created_at > old.created_at
    assert keys_of(store.search(("a",))) == ["j", "k"]


@every
def test_a_namespace_whose_items_have_expired_comes_anew(shelf: Shelf) -> None:
    store = shelf.store
    for path, minutes in [(("a",), 10), (("b",), None)]:
        store.put(path, "k", {}, ttl=minutes)
    shelf.later(11)
    store.put(("a",), "another", {})
    assert keys_of(store.search(())) == ["k", "another"]


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_the_settings_of_a_store_give_times_to_live(
    backend: str, server: Callable[[str], EmbeddedServer | None]
) -> None:
    with shelved(server(backend), ttl={"default_ttl": 10, "refresh_on_read": False}) as shelf:
        shelf.store.put(("a",), "default", {})
        shelf.store.put(("a",), "for ever", {}, ttl=None)
        shelf.later(6)
        assert shelf.store.get(("a",), "default")
        shelf.later(6)
        assert keys_of(shelf.store.search(("a",))) == ["for ever"]


@every
async def test_a_short_time_to_live_ends_by_itself(shelf: Shelf) -> None:
    await shelf.store.aput(("a",), "k", {}, ttl=0.1 / 60)
    assert await shelf.store.aget(("a",), "k", refresh_ttl=False)
    await asyncio.sleep(0.1)
    assert await shelf.store.aget(("a",), "k", refresh_ttl=False) is None
    assert await shelf.store.alist_namespaces() == []


@every
def test_more_than_one_answer_can_name_expire_at_once(shelf: Shelf) -> None:
    shelf.store.batch([PutOp((f"n {n % 7}",), str(n), {}, ttl=1) for n in range(2 * DUE + 7)])
    shelf.later(2)
    assert shelf.store.list_namespaces() == []


@every
@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf, 1e10])
def test_a_time_to_live_that_is_none_is_refused(shelf: Shelf, minutes: float) -> None:
    with pytest.raises(ConfigError, match="a time to live of"):
        shelf.store.put(("a",), "k", {}, ttl=minutes)
    with pytest.raises(ConfigError, match="a time to live of"):
        RedisStore.from_url("memory://", ttl={"default_ttl": minutes})


# The server.


@servers
def test_no_key_is_left_of_what_was_deleted_or_has_expired(shelf: Shelf) -> None:
    store, paths = shelf.store, [("a",), ("a", "b"), ("{a}", ":"), ("a/b",)]
    for path in paths:
        for key in ("", "k", "{k}", "\0"):
            store.put(path, key, {}, ttl=10 if key == "k" else None)
    assert {shelf.server.pttl(key) for key in shelf.names()} == {-1}
    for path in paths:
        for key in ("", "{k}", "\0"):
            store.delete(path, key)
    assert len(shelf.names()) == 3 + 2 * len(paths)
    shelf.later(11)
    store.put(("other",), "k", {})  # a write removes what is due, too
    store.delete(("other",), "k")
    assert shelf.names() == []


@servers
def test_a_search_looks_at_nothing_beside_its_prefix(shelf: Shelf) -> None:
    for path in [("a", "b"), ("a", "c"), ("ab",)]:
        shelf.store.put(path, "k", {})
    for name in ("a/c", "ab"):
        shelf.server.set(shelf.key(f"order:{name}"), "not an order")
    assert keys_of(shelf.store.search(("a", "b"))) == ["k"]
    with pytest.raises(DamagedEntry, match="holds something else"):
        shelf.store.search(("a",))
    assert shelf.store.list_namespaces(prefix=("a",)) == [("a", "b"), ("a", "c")]


@servers
@pytest.mark.parametrize(
    "stored",
    [b"", b"1 0", b"1 0 ", b"1 0 " + bytes(40), b"1 0 " + pack([1]), b"1 0 " + pack({})[:-1], b"1 x " + pack({})],
)
def test_what_is_not_ours_is_named_and_can_be_deleted(shelf: Shelf, stored: bytes) -> None:
    shelf.store.put(("a",), "k", {})
    shelf.server.hset(shelf.key("items:a"), "k", stored)
    for read in (lambda: shelf.store.get(("a",), "k"), lambda: shelf.store.search(("a",))):
        with pytest.raises(DamagedEntry, match=r"of .*\('a',\) is damaged or not ours; .* or delete it"):
            read()
    shelf.store.delete(("a",), "k")
    assert shelf.names() == []


@servers
def test_tenants_share_nothing(shelf: Shelf, request: pytest.FixtureRequest, server: Callable[[str], Any]) -> None:
    url = server(request.node.callspec.params["shelf"]).url
    with RedisStore.from_url(url, tenant=f"{shelf.tenant}:{{c}}") as other:
        other.put(("a",), "k", {"tenant": "other"})
        assert shelf.store.search(()) == []
        shelf.store.put(("a",), "k", {"tenant": "first"})
        assert [item.value for item in other.search(())] == [{"tenant": "other"}]
        other.delete(("a",), "k")


def test_a_wrong_address_or_tenant_is_refused_when_the_store_is_built() -> None:
    with pytest.raises(ConfigError, match="'http://x' is not the address of a store"):
        RedisStore.from_url("http://user:secret@x")
    with pytest.raises(ConfigError, match="tenant"):
        RedisStore.from_url("memory://", tenant="")


def test_a_store_that_is_away_is_named_and_can_be_asked_again() -> None:
    with RedisStore.from_url("redis://user:secret@127.0.0.1:1/0") as store:
        for _ in range(2):
            with pytest.raises(StoreUnreachable, match=r"redis://127\.0\.0\.1:1/0 gives no answer"):
                store.get(("a",), "k")


@servers
def test_a_closed_store_opens_again_and_a_forgotten_one_ends_its_thread(
    shelf: Shelf, request: pytest.FixtureRequest, server: Callable[[str], Any]
) -> None:
    before = set(threading.enumerate())  # those that other tests have left may end meanwhile

    def mine() -> int:
        return len(set(threading.enumerate()) - before)

    store = RedisStore.from_url(server(request.node.callspec.params["shelf"]).url, tenant=shelf.tenant)
    for _ in range(2):
        store.put(("a",), "k", {})
        assert mine() == 1
        store.close()
        assert mine() == 0
    store.put(("a",), "k", {})
    del store
    gc.collect()
    assert mine() == 0
    assert keys_of(shelf.store.search(())) == ["k"]


class Cups(TypedDict):
    cups: int


@every
async def test_nodes_of_a_graph_use_it(shelf: Shelf) -> None:
    def pour(state: Cups) -> Cups:
        get_store().put(("tea",), "cups", {"n": state["cups"] + 1})
        return {"cups": state["cups"] + 1}

    async def drink(state: Cups, *, store: BaseStore) -> Cups:
        kept = await store.aget(("tea",), "cups")
        assert kept is not None
        return {"cups": kept.value["n"] + 10 * state["cups"]}

    graph = StateGraph(Cups)
    graph.add_node("pour", pour)
    graph.add_node("drink", drink)
    graph.add_edge(START, "pour")
    graph.add_edge("pour", "drink")
    graph.add_edge("drink", END)
    assert await graph.compile(store=shelf.store).ainvoke({"cups": 1}) == {"cups": 22}
