"""Hypothesis plays random operations to `RedisStore` and to LangGraph's `InMemoryStore`: the answers must be equal.

Two habits of the oracle are no promises and are taken from it: it lists namespaces that were only asked for or are
empty, and a comparison with what is no number ends its whole search with an error, where ours finds no match.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchItem,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore, _compare_values

from satchel.memory import RedisStore
from satchel.memory.items import joined, parted, raw, split
from tests.shelves import Shelf, shelved
from tests.stores import BACKENDS, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from satchel.memory.embedded import EmbeddedServer

LABELS = [
    "a",
    "b",
    "aa",
    "a:b",
    "a/b",
    "{a}",
    "}",
    "%61",
    "*",
    " ",
    "ä",
    "\x01",
    "\u2028",
    "\U0001f375",
    "\ud800",
    "items",
    "-inf",
]
KEYS = ["", "k", "K", "a.b", ":", "{k}", "\0", "k\0", "\r\n", "ключ", "\udfff", "0", "(1"]

PATHS = st.lists(st.sampled_from(LABELS[:3]) | st.sampled_from(LABELS), min_size=1, max_size=4).map(tuple)
PREFIXES = st.just(()) | PATHS.map(lambda path: path[:2])
KEY = st.sampled_from(KEYS[:2]) | st.sampled_from(KEYS)
LEAF = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1e300, -(1 << 63), "", "1", "x", "ä"])
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2)
)
VALUE = st.fixed_dictionaries({"n": st.integers(-3, 3)}, optional={"x": JSON, "y": LEAF, "$z": LEAF})
NUMBER = st.integers(-3, 3) | st.sampled_from([0.5, "1", True])
COMPARISON = st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), NUMBER, min_size=1, max_size=2)
EQUALITY = st.dictionaries(st.sampled_from(["$eq", "$ne"]), JSON, min_size=1, max_size=1)
WANTED = JSON | COMPARISON | EQUALITY
FILTER = st.none() | st.dictionaries(st.sampled_from(["n", "n", "x", "y", "$z"]), WANTED, max_size=2)
COUNTS = st.integers(0, 4) | st.just(100)

GET = st.builds(GetOp, PATHS, KEY, st.booleans())
PUT = st.builds(PutOp, PATHS, KEY, VALUE, index=st.sampled_from([None, False]), ttl=st.sampled_from([None, None, 1e6]))
DELETE = st.builds(PutOp, PATHS, KEY, st.none())
SEARCH = st.builds(SearchOp, PREFIXES, FILTER, COUNTS, st.integers(0, 3), st.none(), st.booleans())
CONDITION = st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), PREFIXES | st.just(("*",)))
LIST = st.builds(
    ListNamespacesOp,
    st.none() | st.lists(CONDITION, max_size=2).map(tuple),
    st.none() | st.integers(0, 4),
    COUNTS,
    st.integers(0, 3),
)
OPS = PUT | PUT | PUT | DELETE | GET | SEARCH | SEARCH | LIST
BRIEF = st.builds(PutOp, PATHS, KEY, VALUE, st.none(), st.sampled_from([10, 20, 30]))
MINUTES = st.sampled_from([1, 9, 10, 11, 20])
EVERYTHING: list[Op] = [SearchOp((), limit=1 << 30, refresh_ttl=False), ListNamespacesOp(limit=1 << 30)]
BATCHES = st.lists(st.lists(OPS, min_size=1, max_size=6), min_size=1, max_size=12)


class Spaces(dict[tuple[str, ...], dict[str, Item]]):
    """The oracle's namespaces, of which one that is asked for and not there does not come to be."""

    def __missing__(self, path: tuple[str, ...]) -> dict[str, Item]:
        return Fresh(self, path)


class Fresh(dict[str, Item]):
    """A namespace that comes to be with its first item."""

    def __init__(self, spaces: Spaces, path: tuple[str, ...]) -> None:
        super().__init__()
        self._spaces, self._path = spaces, path

    def __setitem__(self, key: str, item: Item) -> None:
        super().__setitem__(key, item)
        self._spaces[self._path] = self


class Oracle(InMemoryStore):
    """`InMemoryStore` without the two habits."""

    def __init__(self) -> None:
        super().__init__()
        self._data = Spaces()

    def answers(self, ops: list[Op]) -> list[Any]:
        out = [self._searched(op) if isinstance(op, SearchOp) else None for op in ops]
        rest = [op for op in ops if not isinstance(op, SearchOp)]
        others = iter(self.batch(rest))
        for path in [path for path, items in self._data.items() if not items]:
            del self._data[path]
        return [found if isinstance(op, SearchOp) else next(others) for op, found in zip(ops, out, strict=True)]

    def _searched(self, op: SearchOp) -> Any:
        try:
            return self.batch([op])[0]
        except (TypeError, ValueError):
            (every,) = self.batch([op._replace(filter=None, limit=1 << 30, offset=0)])
            assert isinstance(every, list)
            found = [item for item in every if isinstance(item, SearchItem) and _matches(item, op.filter or {})]
            return found[op.offset : op.offset + op.limit]


def _matches(item: Item, wanted: dict[str, Any]) -> bool:
    try:
        return all(_compare_values(item.value.get(name), field) for name, field in wanted.items())
    except (TypeError, ValueError):
        return False


def empty(shelf: Shelf, kept: Any) -> None:
    """Delete what is there, one by one, and see that nothing is left."""
    for item in kept:
        shelf.store.delete(item.namespace, item.key)
    assert shelf.store.batch(EVERYTHING) == [[], []]
    assert shelf.names() == []


def plain(answer: Any) -> Any:
    """An answer without times, which differ: the oracle makes an item anew whenever it is overwritten."""
    if isinstance(answer, Item):
        assert answer.created_at <= answer.updated_at
        return type(answer), answer.namespace, answer.key, repr(answer.value), getattr(answer, "score", None)
    return [plain(item) for item in answer] if isinstance(answer, list) else answer


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer | None]:
    with serving(request.param, tmp_path_factory.mktemp("store")) as server:
        yield server


@settings(max_examples=150)
@given(batches=BATCHES)
@example(batches=[[PutOp(("a",), "k", {"n": 1}, ttl=1e6), PutOp(("a",), "k", None)], [ListNamespacesOp()]])
def test_random_operations_give_the_answers_of_the_oracle(
    server: EmbeddedServer | None, batches: list[list[Op]]
) -> None:
    oracle = Oracle()
    with shelved(server) as shelf:
        for ops in batches:
            assert plain(shelf.store.batch(ops)) == plain(oracle.answers(ops))
        kept, paths = shelf.store.batch(EVERYTHING)
        assert plain([kept, paths]) == plain(oracle.answers(EVERYTHING))
        empty(shelf, kept)


@settings(max_examples=80)
@given(steps=st.lists(st.lists(BRIEF | BRIEF | OPS, min_size=1, max_size=4) | MINUTES, min_size=2, max_size=16))
def test_as_time_passes_every_backend_gives_the_answers_of_the_one_in_memory(
    server: EmbeddedServer | None, steps: list[list[Op] | int]
) -> None:
    with shelved(None) as oracle, shelved(server) as shelf:
        for step in steps:
            if isinstance(step, int):
                oracle.later(step)
                shelf.later(step)
            else:
                assert plain(shelf.store.batch(step)) == plain(oracle.store.batch(step))
        kept, paths = shelf.store.batch(EVERYTHING)
        assert plain([kept, paths]) == plain(oracle.store.batch(EVERYTHING))
        empty(shelf, kept)


@settings(max_examples=100)
@given(
    path=st.lists(st.sampled_from(["", "a.b", "\0", "a", "langgraph"]), max_size=3).map(tuple), ask=st.integers(0, 3)
)
def test_what_the_oracle_refuses_is_refused_alike(path: tuple[str, ...], ask: int) -> None:
    def outcome(store: BaseStore) -> Any:
        asked: list[Callable[[], Any]] = [
            lambda: store.put(path, "k", {}),
            lambda: store.get(path, "k"),
            lambda: store.search(path),
            lambda: store.list_namespaces(prefix=path),
        ]
        try:
            return asked[ask]()
        except InvalidNamespaceError:
            return InvalidNamespaceError

    with RedisStore.from_url("memory://") as store:
        assert outcome(store) == outcome(InMemoryStore())


TEXT = st.text(st.characters(exclude_categories=()), max_size=6)
ANY_PATH = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=()), min_size=1), max_size=4).map(
    tuple
)


@given(one=ANY_PATH, other=ANY_PATH, key=TEXT)
def test_paths_as_bytes_sort_as_paths_do_and_come_back(one: tuple[str, ...], other: tuple[str, ...], key: str) -> None:
    assert (joined(one) < joined(other)) == (one < other)
    assert joined(one).startswith(joined(other)) == (one[: len(other)] == other)
    assert split(joined(one)) == one
    assert parted(joined(one) + b"\0" + raw(key)) == (one, raw(key))
