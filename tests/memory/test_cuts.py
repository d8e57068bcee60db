"""A recalled text is stored as parts of the text that it came from, and is read whole wherever it is read."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.memory import Log, MemoryStore, ThreadId, export_thread, fork_thread, import_thread, read_log
from satchel.memory.codec import decode_entry, encode_settled
from satchel.memory.cuts import LARGEST, fill, thin
from satchel.memory.errors import DamagedEntry
from satchel.memory.handles import RESULT, ref
from satchel.memory.records import Call, Ended, Entry, Reply, Result, Said, Started, Usage

THREAD, COPY = ThreadId("t"), ThreadId("copy")
SALT = bytes(16)
WHOLE = "\n".join(f"row {n}, a crate from bay {n * 7919 % 997} on its way" for n in range(2_000))
ROWS = WHOLE.split("\n")
PARTS = {
    "a range": "\n".join(ROWS[40:60]),
    "a range that was cut": "\n".join(ROWS[40:60]) + "\n[... more lines follow; go on with lines=61-2000 ...]",
    "a query": "\n".join(f"{n + 1}: {ROWS[n]}" for n in range(7, 1_900, 100)),
    "parts of long lines": "\n".join(f"{n + 1}: ... {ROWS[n][4:44]} ..." for n in range(7, 1_900, 100)),
    "backwards": "\n".join(f"{n + 1}: {ROWS[n]}" for n in (900, 20, 901, 1)),
}


@pytest.mark.parametrize("text", PARTS.values(), ids=PARTS)
def test_what_is_stored_of_a_part_is_small_and_gives_the_part_again(text: str) -> None:
    result = Result(call="1", text=text, of=2)
    stored = thin(result, WHOLE)
    assert fill(stored, WHOLE, 3) == result
    lines = text.count("\n") + 1
    assert len(encode_settled(stored, "c1")) < (100 if text.startswith("row") else 20 * lines + 40) < len(text)


def test_what_is_no_part_is_stored_as_it_is() -> None:
    result = Result(call="1", text="count: 12", of=2)
    assert thin(result, WHOLE) is result


TEXTS = st.lists(
    st.sampled_from(["a" * 30, "12: " + "b" * 30, "... " + "c" * 40 + " ...", "short", "", "\x85", "\r", "é" * 24])
)


@given(text=TEXTS, whole=TEXTS, glue=st.sampled_from(["\n", "\r\n", "\u2028", ""]))
def test_whatever_is_made_thin_is_filled_again(text: list[str], whole: list[str], glue: str) -> None:
    result = Result(call="1", text=glue.join(text), of=0)
    stored = thin(result, "\n".join(whole))
    assert fill(stored, "\n".join(whole), 1) == result if stored.cuts else stored is result


async def written() -> tuple[MemoryStore, list[Entry]]:
    store = MemoryStore()
    log = await Log.open(store, THREAD, salt=SALT)
    calls = [Call(id="1", name="look", args={}, effect="read"), Call(id="2", name="recall", args={}, effect="read")]
    reply = Reply(step=0, text="", model="m", usage=Usage())
    await log.append("r1", [Started(run=0, mode="stateful"), Said(text="go")])
    await log.append("m0", [reply, *calls])
    await log.append("c4", [Result(call="1", text=WHOLE)])
    await log.append("c5", [Result(call="2", text=PARTS["a query"], of=6)])
    await log.append("e8", [Ended(outcome="done")])
    await log.close()
    return store, log.entries


async def test_a_thread_reads_its_recalled_text_whole() -> None:
    store, held = await written()
    assert len((await store.read(THREAD, 7, 8))[0]) < len(PARTS["a query"]) / 2
    assert await read_log(store, THREAD) == held
    assert held[7].record == Result(call="2", text=PARTS["a query"], of=6)
    for start in range(1, 10):
        log = await Log.open(store, THREAD, start=start)
        assert log.entries == [held[0], *held[start:]]
        assert await log.text(ref(SALT, RESULT + 5)) == PARTS["a query"]
        await log.rewind()
        assert log.entries == held
        await log.close()


async def test_a_fork_and_a_file_keep_it_whole() -> None:
    store, held = await written()
    await fork_thread(store, THREAD, COPY, at=8)
    assert (await read_log(store, COPY))[:8] == held[:8]
    file = io.BytesIO()
    await export_thread(store, THREAD, file)
    assert PARTS["a query"].encode() not in file.getvalue()
    file.seek(0)
    other = MemoryStore()
    made = await import_thread(other, file)
    assert [entry.record for entry in await read_log(other, made)] == [entry.record for entry in held]


@pytest.mark.parametrize(
    ("of", "cuts"),
    [
        (6, [0, 0]), (6, [0, 5, -4]), (6, [0, -1, 4]), (6, [0, 0, 10**9]), (6, [1, 0, 4]), (6, [-1, 0, 4]),
        (6, [0, 10**9, 0]), (6, ["0", 0, 4]), (6, "x"), (6, {}), (6, [0, 0, 4, 0, -5, 1]),
        (None, [0, 0, 4]), (1, [0, 0, 4]), (7, [0, 0, 4]), (8, [0, 0, 4]), (99, [0, 0, 4]), (-1, [0, 0, 4]),
        (6, [0, 0, 9_000, 0, -9_000, 9_000] * (LARGEST // 18_000 + 1)),
    ],
)  # fmt: skip
async def test_cuts_that_do_not_fit_are_named_as_damaged(of: int | None, cuts: object) -> None:
    store, _ = await written()
    data = await store.read(THREAD, 0, 9)
    entry = decode_entry(data[7], 7)
    assert isinstance(entry.record, Result)
    data[7] = encode_settled(replace(entry.record, text="", of=of, cuts=cuts), entry.op)

    async def entries() -> AsyncIterator[bytes]:
        for one in data:
            yield one

    await store.create(COPY, entries())
    with pytest.raises(DamagedEntry, match="entry 7 refers to a text that is not there"):
        await read_log(store, COPY)
    with pytest.raises(DamagedEntry, match="entry 7"):
        await Log.open(store, COPY, start=7)
