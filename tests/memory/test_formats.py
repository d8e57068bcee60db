"""Data that each earlier version wrote is read as it was meant. memory/README.md says how a version is added."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from satchel.memory import MemoryStore, RedisSaver, read_log
from satchel.memory.codec import _COMPRESSED, decode_entry, encode, pack, unpack
from satchel.memory.fields import Change
from satchel.memory.keyring import Keyring
from satchel.memory.loops import Everywhere
from satchel.memory.portable import import_thread
from satchel.memory.shapes import KINDS
from tests.memory.fixtures.write import KEY, RECORDS, THREAD

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir() if path.name.startswith("v"))
NEWEST = VERSIONS[-1]

every = pytest.mark.parametrize("version", VERSIONS)


def document(version: str, name: str) -> Any:
    return json.loads((FIXTURES / version / name).read_text())


@every
def test_entries_of_every_kind_are_read(version: str) -> None:
    for number, entry in enumerate(document(version, "codec.json")["entries"]):
        read = decode_entry(bytes.fromhex(entry["bytes"]), number)
        assert (type(read.record).__name__, read.op) == (entry["kind"], f"op{number}")
        fields = asdict(read.record)
        assert {name: fields[name] for name in entry["record"]} == entry["record"]


@every
def test_values_and_sealed_bytes_are_read(version: str) -> None:
    found = document(version, "codec.json")
    assert unpack(bytes.fromhex(found["value"]["bytes"])) == found["value"]["value"]
    assert Keyring([KEY]).open(b"scope", b"place", bytes.fromhex(found["sealed"]), "it") == b"plain"


@every
async def test_an_exported_thread_is_imported(version: str) -> None:
    store = MemoryStore()
    made = await import_thread(store, io.BytesIO((FIXTURES / version / "thread.export").read_bytes()))
    entries = await read_log(store, made)
    assert [type(entry.record).__name__ for entry in entries] == [
        entry["kind"] for entry in document(version, "codec.json")["entries"]
    ]


@every
async def test_checkpoints_are_read(version: str) -> None:
    store = MemoryStore()
    pairs = {bytes.fromhex(name): bytes.fromhex(value) for name, value in document(version, "fields.json")}
    await store.fields.change(THREAD, Change(put=pairs))

    async def opened() -> MemoryStore:
        return store

    saver = RedisSaver.from_url("memory://")
    saver._at = Everywhere(opened)
    async with saver:
        found = [point async for point in saver.alist({"configurable": {"thread_id": THREAD.name}})]
    assert len(found) == 6
    newest = [message.text[:8] for message in found[0].checkpoint["channel_values"]["messages"]]
    assert newest == ["one", "answer 1", "two", "answer 3"]


def test_every_kind_of_record_has_its_golden_bytes() -> None:
    assert [kind.__name__ for kind in KINDS] == list(
        dict.fromkeys(sorted((type(record).__name__ for record in RECORDS), key=[k.__name__ for k in KINDS].index))
    )


def test_what_is_written_today_is_the_newest_version() -> None:
    """If this fails, the format has changed: that needs a new version, and golden files of its own."""
    found = document(NEWEST, "codec.json")
    for number, (record, entry) in enumerate(zip(RECORDS, found["entries"], strict=True)):
        golden = bytes.fromhex(entry["bytes"])
        if not golden[1] & _COMPRESSED:  # zlib may compress otherwise tomorrow
            assert encode(record, f"op{number}") == golden
    assert pack(found["value"]["value"]).hex() == found["value"]["bytes"]
    assert Keyring([KEY]).seal(b"scope", b"place", b"plain").hex() == found["sealed"]
