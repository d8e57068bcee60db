"""Hypothesis attacks what stands beside the digest: bounded, never stale, never forged, the same after a crash."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.memory.handles import HANDLE, ref
from satchel.runtime.context.context import Folded
from satchel.runtime.context.notes import KINDS, LONGEST, MOST
from satchel.runtime.note import NOTE
from tests.invariants import chats
from tests.invariants.chats import PAGES, SALT, STATE, TAG, Chat
from tests.invariants.test_context import ROOMS, SANE, attack

OWN = (NOTE.schema,)
SURFACE = chats.fixed_tokens(OWN)
BLOCK = re.compile(rf"^\[satchel {TAG} notes: [^\n]*\]\n(.*?)\n\[/satchel {TAG}\]$", re.MULTILINE | re.DOTALL)
STARTS = tuple(f"{start}{mark}" for start, mark in zip(KINDS.values(), (" ", *":" * 5), strict=True))

TEXTS = st.one_of(
    st.sampled_from(("buy milk", "ask Ada", "x = 1", *chats.FORGERIES)), chats.hostile_texts(LONGEST)
).filter(lambda text: 0 < len(" ".join(text.split())) <= LONGEST)
FACTS = st.builds(
    "{} = {}".format, st.sampled_from(("owner", "price", "the key")), TEXTS.map(lambda t: t[:200])
).filter(lambda fact: bool(fact.partition("=")[2].strip()))
PATCHES = st.fixed_dictionaries(
    {}, optional={kind: st.lists(FACTS if kind == "facts" else TEXTS, max_size=4) for kind in (*KINDS, "drop")}
)
WORK = st.lists(st.tuples(st.just("look"), chats.arguments(), chats.results()), min_size=1, max_size=3)


@st.composite
def noting(draw: st.DrawFn) -> Chat:
    """A conversation in which the model notes something now and then."""
    turns = draw(st.lists(st.tuples(WORK, PATCHES | st.none()), min_size=1, max_size=20))
    entries: list[Any] = ["Keep the shop tidy."]
    for calls, patch in turns * draw(st.sampled_from((1, 3))):
        noted = [] if patch is None else [("note", patch, "Noted.")]
        entries.append(("", [*calls, *noted]))
    return Chat(tuple(entries))


def counted(patches: list[dict[str, Any]]) -> dict[tuple[bool, str], str]:
    """What counts after these patches, by a reduction that shares no code with the engine's."""
    found: dict[tuple[bool, str], str] = {}
    for patch in patches:
        for name in patch.get("drop", ()):
            for fact in (True, False):
                found.pop((fact, " ".join(name.split())), None)
        for kind, start in KINDS.items():
            for text in (" ".join(t.split()) for t in patch.get(kind, ())):
                key, _, value = (part.strip() for part in text.partition("="))
                place, line = (
                    ((True, key), f"fact {key} = {value}") if kind == "facts" else ((False, text), f"{start}: {text}")
                )
                found.pop(place, None)
                found[place] = line
    return found


@attack(15)
@given(chat=noting(), room=st.sampled_from((SANE, 4_000, 8_000)))
def test_notes_are_bounded_never_stale_and_leave_the_laws_as_they_are(chat: Chat, room: int) -> None:
    run, turns = chats.drive(chat, "stateful", SURFACE + room, own=OWN), chat.turns()
    assert not run.overflow
    for asked in run.asked:
        assert chats.count(asked.prompt) <= SURFACE + room
        assert chats.illegal(asked.prompt) is None
        if not asked.prompt.folds:
            continue
        assert chats.lost(asked.prompt, turns[: asked.after], run.pages) == []
        patches = [c.args for turn in turns[: asked.after] for c in turn.messages[0].calls if c.name == "note"]
        now = set(counted(patches).values())
        shown = [line for found in BLOCK.findall(asked.prompt.messages[1].content) for line in found.split("\n")]
        assert len(shown) == len(set(shown)) <= MOST
        assert set(shown) <= now
        assert all(line.startswith(STARTS) for line in shown)


@attack(15)
@given(chat=noting(), room=st.sampled_from((SANE, 4_000)))
def test_notes_are_the_same_after_a_crash(chat: Chat, room: int) -> None:
    run, turns = chats.drive(chat, "stateful", SURFACE + room, own=OWN), chat.turns()
    rebuilt, fed = chats.fresh("stateful", SURFACE + room, own=OWN), 0
    for asked in run.asked[:-1]:
        for turn in turns[fed : asked.after]:
            rebuilt.add(turn)
        fed = asked.after
        for done, number in zip(asked.prompt.folds, chats.steps(asked.prompt.folds, asked.page_seq), strict=True):
            rebuilt.refold(Folded(done.room, done.deep, None, done.certificate), number if done.page is not None else 0)
        rebuilt.resent()
        if asked.prompt.folds and (kept := rebuilt.past.kept()):
            again = chats.fresh("stateful", SURFACE + room, own=OWN)
            again.past.restore(kept)
            if again.past.digest.turns:
                rebuilt = again
    last = run.asked[-1]
    for turn in turns[fed : last.after]:
        rebuilt.add(turn)
    assert chats.data(rebuilt.prompt(state=STATE, page_seq=last.page_seq)) == chats.data(last.prompt)


@attack(8)
@given(chat=chats.chats(most=12) | noting(), prose=st.lists(chats.hostile_texts(3_000), min_size=1), room=ROOMS)
def test_no_prose_of_a_summariser_breaks_a_law(chat: Chat, prose: list[str], room: int) -> None:
    made = chats.fresh("stateful", SURFACE + room, own=OWN, prose=True)
    number, seq, pages = 0, PAGES, dict[str, str]()
    for n, turn in enumerate(turns := chat.turns()):
        if not turn.is_user:
            folds = made.fold(page_seq=seq)
            pages |= {ref(SALT, at): f.page for f, at in zip(folds, chats.steps(folds, seq), strict=True) if f.page}
            seq += 2 * len(folds)
            if folds:
                made.past.tell(prose[number % len(prose)])
                number += 1
            prompt = made.prompt(state=STATE, page_seq=seq)
            assert not prompt.folds
            assert chats.count(prompt) <= SURFACE + room
            assert chats.illegal(prompt) is None
            if folds:
                assert chats.lost(prompt, turns[:n], pages) == []
                beside = prompt.messages[1].content.partition(made.past.digest.text)[2]
                known = set(HANDLE.findall(made.past.digest.text))
                for quoted in re.findall(r"^\[satchel \w+ prose: [^\n]*\n(.*)\n(.*)$", beside, re.MULTILINE):
                    assert quoted[0].startswith("| ")
                    assert quoted[0].isprintable()
                    assert quoted[1] == f"[/satchel {TAG}]"
                    assert set(HANDLE.findall(quoted[0])) <= known
        made.add(turn)


@pytest.mark.parametrize("parallel", [300, 1_000])
def test_where_a_storm_leaves_no_room_notes_step_back_and_come_again(parallel: int) -> None:
    notes = [("", [("note", {"facts": [f"key {n} = {'words of ' * 20}{n}"]}, "Noted.")]) for n in range(30)]
    storm = [("look", {"id": f"item_{k}"}, f"result {k} of the storm, with some words") for k in range(parallel)]
    calm = [("", [("look", {"id": "after"}, f"small {n}")]) for n in range(6)]
    chat = Chat(("go", *notes, ("", storm), *calm))
    run = chats.drive(chat, "stateful", SURFACE + SANE, own=OWN, every=2)
    assert not run.overflow
    for asked in run.asked:
        assert chats.count(asked.prompt) <= SURFACE + SANE
        assert chats.lost(asked.prompt, chat.turns()[: asked.after], run.pages) == []
    assert "fact key 29 = " in run.asked[-1].prompt.messages[1].content


def test_facts_constraints_and_provenance_survive_fifty_folds() -> None:
    """Constraints of the user word for word, facts of the model at their newest value, tool text as data alone."""
    chance = Random(5)
    rule = "Never sell below cost, and never on a Sunday."
    entries: list[Any] = [rule]
    prices: dict[str, str] = {}
    for n in range(60):
        item = f"item_{n % 12}"
        prices[item] = f"{chance.randrange(10**5)}"
        hostile = f"{chance.choice(chats.FORGERIES)}\n" * 3 + " ".join(
            f"w{chance.randrange(10**6)}" for _ in range(150)
        )
        calls = [("look", {"id": item}, hostile), ("note", {"facts": [f"{item} = {prices[item]}"]}, "Noted.")]
        entries.append(("", calls))
        if n == 20:
            entries.append("And keep item_3 for Ada.")
    run = chats.drive(Chat(tuple(entries)), "stateful", SURFACE + 2_500, own=OWN, every=1)
    folded = [asked for asked in run.asked if asked.prompt.folds]
    assert len(folded) >= 50
    for asked in folded:
        digest = asked.prompt.messages[1].content
        assert rule in digest
        assert asked.after < 23 or "And keep item_3 for Ada." in chats.words(asked.prompt)
        known = counted([{"facts": [f"{i} = {v}"]} for i, v in _until(entries, asked.after)])
        (block,) = BLOCK.findall(digest)
        assert block.split("\n") == list(known.values())  # each fact once, at its newest value: 1.000
        for line in digest.split("\n"):
            assert not line.startswith(("[satchel", "[/satchel")) or TAG in line
            assert not re.match(r"(user|you), turn 3: FORGED|@ forged|older: .*FORGED", line)


def _until(entries: list[Any], turns: int) -> list[tuple[str, str]]:
    patches = [
        call[1] for entry in entries[:turns] if not isinstance(entry, str) for call in entry[1] if call[0] == "note"
    ]
    return [tuple(fact.split(" = ")) for patch in patches for fact in patch["facts"]]
