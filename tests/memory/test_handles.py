"""Handles: short, different in each thread, the same again with the same seed, and nothing else resolves."""

from __future__ import annotations

import pytest

from satchel.memory.errors import UnknownHandle
from satchel.memory.handles import COUNT, HANDLE, ref, salt_for, seq
from satchel.memory.store import ThreadId

SALT = salt_for(ThreadId("t"), 1)


def test_a_handle_leads_back_to_its_entry() -> None:
    places = [*range(2_000), COUNT - 1, 123_456_789]
    handles = [ref(SALT, place) for place in places]
    assert [seq(SALT, handle) for handle in handles] == places
    assert len(set(handles)) == len(places)
    assert all(HANDLE.fullmatch(handle) for handle in handles)


def test_handles_of_a_seeded_thread_stay_as_they_are() -> None:
    assert [ref(SALT, place) for place in range(3)] == ["res:131208686", "res:688422687", "res:484952814"]


def test_the_salt_depends_on_tenant_name_and_seed_alone() -> None:
    salts = [
        salt_for(thread, seed)
        for thread in (ThreadId("t"), ThreadId("u"), ThreadId("t", "other"), ThreadId("\ud800"))
        for seed in (0, 1)
    ]
    assert len(set(salts)) == len(salts)
    assert salt_for(ThreadId("t"), 1) == SALT
    assert salt_for(ThreadId("a\0b"), 1) != salt_for(ThreadId("b", "default\0a"), 1)
    assert salt_for(ThreadId("t"), None) != salt_for(ThreadId("t"), None)


@pytest.mark.parametrize(
    "text", ["", "res:", "res:12345678", "res:1234567890", "res:12345678x", "res:١٢٣٤٥٦٧٨٩", " res:123456789"]
)
def test_what_is_not_a_handle_of_ours_is_unknown(text: str) -> None:
    with pytest.raises(UnknownHandle, match="is not a handle"):
        seq(SALT, text)


@pytest.mark.parametrize("place", [-1, COUNT])
def test_an_entry_out_of_range_has_no_handle(place: int) -> None:
    with pytest.raises(UnknownHandle):
        ref(SALT, place)


def test_handles_are_found_in_running_text() -> None:
    assert HANDLE.findall("see res:012345678, (res:abcd) not xres:0123 or res:ab") == ["res:012345678", "res:abcd"]
