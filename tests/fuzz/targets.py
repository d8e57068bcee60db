"""What reads strangers' bytes: one row for each reader, with valid bytes to begin from and the error that is ours."""

from __future__ import annotations

import asyncio
import io
import json
import random
import zlib
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgpack
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from satchel.evals.replay import _trajectory
from satchel.memory import blobs
from satchel.memory.checkpoints import Checkpoints
from satchel.memory.codec import decode_entry, encode, pack, unpack
from satchel.memory.errors import DamagedEntry, SatchelError, TraceError, WrongKey
from satchel.memory.item_values import value_of
from satchel.memory.items import Row, parted, split, text
from satchel.memory.keyring import Keyring
from satchel.memory.memory_store import MemoryStore
from satchel.memory.portable import FORMAT, import_thread
from satchel.memory.store import ThreadId
from satchel.memory.thread_file import Writer, named
from tests.fuzz import transcripts
from tests.fuzz.mutate import BOMB, mutated
from tests.memory.fixtures.write import RECORDS

VALUES: tuple[Any, ...] = (
    {"likes": "tea", "cups": 3},
    {"deep": [[1, {"a": None}]], "text": "x" * 2_000},
    [],
    "text",
    7,
)
THREAD = ThreadId("t")
CONFIG: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}


@dataclass(frozen=True)
class Target:
    """A reader: `make` gives one case from dice, `read` reads it and may raise `error` and nothing else."""

    name: str
    make: Callable[[random.Random], Any]
    read: Callable[[Any], object]
    error: type[SatchelError] | tuple[type[SatchelError], ...] = (DamagedEntry, WrongKey)  # it may say it is sealed
    cases: int = 1_500  # those of the default suite


def enveloped(dice: random.Random, body: bytes) -> bytes:
    """A payload with the codec's header and a right checksum, in one of its forms or in none."""
    if dice.random() < 0.02:
        body = BOMB
    elif dice.random() < 0.2:
        body = zlib.compress(body, 1)
    head = bytes((0xC1, dice.choice((0x10, 0x10, 0x11, 0x12, 0x12, 0x13, dice.randrange(256)))))
    return head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + body


def resealed(dice: random.Random, body: bytes) -> bytes:
    """A framed value with the saver's header and a right checksum."""
    form = dice.choice((0x20, 0x20, 0x20, 0x21, dice.randrange(256)))
    return bytes((form,)) + zlib.crc32(body, form).to_bytes(4, "big") + body


def entry(data: bytes) -> object:
    return decode_entry(data, 0)


def item(data: bytes) -> object:
    return value_of(Row(("users",), "key", 0, 0, 0, data))


def names(data: bytes) -> None:
    """The three readers of the index; each may refuse."""
    for read in (text, split, parted):
        with suppress(DamagedEntry):
            read(data)


def blob(data: bytes) -> object:
    return blobs.unseal(data, "a value")


def line(data: bytes) -> object:
    return _trajectory(data.decode(errors="replace"), "file:1")


def _either(inside: Sequence[bytes], seal: Callable[[random.Random, bytes], bytes], whole: Sequence[bytes]) -> Any:
    """Cases that are mutated whole, and more that are mutated inside their envelope."""

    def make(dice: random.Random) -> bytes:
        return mutated(dice, whole) if dice.random() < 0.3 else seal(dice, mutated(dice, inside))

    return make


def _bodies(sealed: Sequence[bytes]) -> list[bytes]:
    """The payloads of the codec's envelopes, not compressed."""
    return [zlib.decompress(data[6:]) if data[1] & 1 else data[6:] for data in sealed]


def done(steps: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing: its store is in memory."""
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)


def checkpointed() -> dict[bytes, bytes]:
    """The fields of a thread with a list of messages, a large value, a number, and pending writes."""
    store, saved = MemoryStore(), Checkpoints("default")

    async def put() -> None:
        values = {"messages": [HumanMessage("a" * 99), AIMessage("b")], "large": "x" * 300, "n": 7}
        made: Any = {**empty_checkpoint(), "channel_values": values, "channel_versions": dict.fromkeys(values, "1")}
        planned, config = saved.plan_put(SERDE, CONFIG, made, {"source": "loop", "step": 0}, made["channel_versions"])
        await saved.send(store, planned)
        writes = [("messages", [AIMessage("c" * 80)]), ("n", 8)]
        await saved.send(store, saved.plan_writes(SERDE, config, writes, ("task", "path")))

    asyncio.run(put())
    return dict(store.fields._threads[THREAD])


KEPT = checkpointed()
FRAMED = [blobs.unseal(data, "") for name, data in KEPT.items() if name[:1] in b"pvblw" and len(data) > 5]


def field(dice: random.Random) -> dict[bytes, bytes]:
    """The thread with one of its fields altered."""
    name = dice.choice(list(KEPT))
    data = KEPT[name]
    if dice.random() < 0.7 and name[:1] in b"pvblw" and len(data) > 5:
        return {**KEPT, name: resealed(dice, mutated(dice, [blobs.unseal(data, ""), *FRAMED]))}
    return {**KEPT, name: mutated(dice, [data])}


def checkpoint(fields: dict[bytes, bytes]) -> object:
    store, saved = MemoryStore(), Checkpoints("default")
    store.fields._threads[THREAD] = fields
    return done(saved.get(store, SERDE, CONFIG))


KEYS = Keyring([bytes(range(32))])


def keyed(dice: random.Random, body: bytes) -> bytes:
    """Bytes that hold a right key's id and authentication, of this place or of another."""
    return KEYS.seal(b"scope", dice.choice((b"place", b"another")), body)


def opened(data: bytes) -> object:
    return KEYS.open(b"scope", b"place", data, "a value")


def written(pieces: Sequence[tuple[str, bytes]]) -> bytes:
    """A file of these frames, with right lengths and a right digest."""
    out = Writer(file := io.BytesIO())
    for kind, body in pieces:
        out.frame(kind, body)
    out.end()
    return file.getvalue()


def thread_file(dice: random.Random) -> bytes:
    """The file of a thread: its bytes altered, or its frames and what is in them."""
    if dice.random() < 0.3:
        return mutated(dice, [FILE])
    pieces = list(PIECES)
    for _ in range(dice.choice((1, 1, 2))):
        at = dice.randrange(len(pieces))
        kind, body = pieces[at]
        made = enveloped(dice, mutated(dice, BODIES[kind])) if kind in BODIES else mutated(dice, [body])
        changed = [[(kind, made)], [(dice.choice("HEFZ"), body)], [], [(kind, body)] * 2]
        pieces[at : at + 1] = dice.choice(changed[:1] * 5 + changed[1:])
        pieces = pieces or list(PIECES)
    return written(pieces)


def imported(data: bytes) -> object:
    return done(import_thread(MemoryStore(), io.BytesIO(data)))


ENTRIES = [encode(record, f"op{n}") for n, record in enumerate(RECORDS)]
ITEMS = [pack(value) for value in VALUES]
BLOBS = [blobs.seal(data) for data in (b"short", b"long" * 100, *FRAMED)]
SEALED = [KEYS.seal(b"scope", b"place", data) for data in (b"", *ENTRIES)]
PIECES = [
    ("H", pack({"format": FORMAT, "thread": "t", "expire": 60})),
    *(("E", data) for data in ENTRIES),
    *(("F", named(name, data)) for name, data in KEPT.items()),
]
FILE = written(PIECES)
BODIES = {"H": _bodies([PIECES[0][1]]), "E": _bodies(ENTRIES)}
LINES = [
    json.dumps(
        {"id": "a", "tools": [], "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}]}
    ),
    json.dumps({"id": 1, "tools": {}, "messages": [{"role": "tool", "content": [1], "tool_call_id": None}]}),
]
NAMES = [b"users\0ann\0", b"users\0ann\0\0key", "ключ".encode(), msgpack.packb("x")]

TARGETS = [
    Target("entry", _either(_bodies(ENTRIES), enveloped, ENTRIES), entry),
    Target("value", _either(_bodies(ITEMS), enveloped, ITEMS), unpack),
    Target("item", _either(_bodies(ITEMS), enveloped, ITEMS), item),
    Target("index", lambda dice: mutated(dice, NAMES), names),
    Target("blob", _either(BLOBS, resealed, BLOBS), blob),
    Target("checkpoint", field, checkpoint, SatchelError),  # an id that no checkpoint can have is a `ConfigError`
    Target("file", thread_file, imported),
    Target("sealed", _either(ENTRIES, keyed, SEALED), opened),
    Target("trace", lambda dice: mutated(dice, [text.encode() for text in LINES]), line, TraceError),
    Target("transcript", transcripts.make, transcripts.read, SatchelError, cases=300),
]
"""Every reader of bytes that others may have written; a new one is one row."""
