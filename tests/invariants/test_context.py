"""Hypothesis attacks the laws of the prompt: ceiling, legality, nothing lost, newest stays, same bytes, provenance.

A short steady slice runs with every test run. The long campaign, with fresh chance each time:

    SATCHEL_CAMPAIGN=100000 python -m pytest tests/invariants/test_context.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satchel.memory.errors import PromptTooLarge
from satchel.memory.handles import HANDLE, ref
from satchel.prompts import render
from satchel.runtime.context import recall
from satchel.runtime.context.context import Folded, Overflow
from satchel.runtime.context.controller import Rates
from satchel.runtime.context.ingest import slimmed
from satchel.runtime.context.preview import describe
from satchel.runtime.context.slim import slim
from satchel.runtime.context.turn import Turn
from satchel.runtime.mode import MODES
from tests.invariants import chats
from tests.invariants.chats import SALT, STATE, TAG, Chat

CAMPAIGN = int(os.environ.get("SATCHEL_CAMPAIGN", "0"))
SURFACE = chats.fixed_tokens()
HEAD = render("block", tag=TAG, recall=render("handles"))
"""The first line of that later block which shows the first handle: it says what it is for."""

SANE = 2_000
"""Tokens beyond the fixed surface from which a stateful prompt always fits."""


def attack(examples: int) -> settings:
    """Settings of one attack: a steady slice, or the long campaign."""
    return settings(
        max_examples=CAMPAIGN or examples,
        derandomize=not CAMPAIGN,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


ROOMS = st.sampled_from((SANE, 2_500, 4_000, 8_000, 30_000))
RATES = st.sampled_from((Rates(), Rates(c=1.0, w=1.0), Rates(c=0.02, w=1.0)))


@attack(40)
@given(
    chat=chats.chats(),
    room=st.sampled_from((40, 300, 600, 1_000, SANE, 8_000, 10**6)),
    mode=st.sampled_from(sorted(MODES)),
)
def test_no_prompt_is_above_its_ceiling_and_every_prompt_is_legal(chat: Chat, room: int, mode: str) -> None:
    try:
        run = chats.drive(chat, mode, SURFACE + room)
    except PromptTooLarge:
        assert room < 500
        return
    for asked in run.asked:
        counted = chats.count(asked.prompt)
        assert counted <= SURFACE + room
        assert counted <= asked.prompt.size + 8
        assert chats.illegal(asked.prompt) is None
    assert not (run.overflow and mode == "stateful" and room >= SANE), run.overflow


@attack(60)
@given(chat=chats.chats(), room=ROOMS, rates=RATES)
def test_nothing_is_lost_the_newest_turn_stays_and_a_handle_can_be_asked(chat: Chat, room: int, rates: Rates) -> None:
    run, turns = chats.drive(chat, "stateful", SURFACE + room, rates=rates), chat.turns()
    assert not run.overflow
    for n, asked in enumerate(run.asked):
        if asked.prompt.folds or n == len(run.asked) - 1:
            assert chats.lost(asked.prompt, turns[: asked.after], run.pages) == []
        ours = {ref(SALT, s) for turn in turns[: asked.after] for s, _ in chats.texts(turn)} | run.pages.keys()
        if ours.intersection(HANDLE.findall(chats.words(asked.prompt))):
            assert recall.schema() in asked.prompt.tools
        newest = next((k for k in range(asked.after - 1, -1, -1) if not turns[k].is_user), 0)
        seen(asked, turns[newest : asked.after], run.pages)


def seen(asked: chats.Asked, newest: list[Turn], pages: dict[str, str]) -> None:
    """The head of each newest text stands in the prompt; a handle will do if even the previews could not all fit."""
    said, bare = chats.words(asked.prompt), chats.squeeze(chats.words(asked.prompt))
    deep = any(done.deep for done in asked.prompt.folds)
    for turn in newest:
        for seq, text in zip(turn.seqs, (m.content for m in turn.messages), strict=True):
            forms = (text, chats.mended(text), describe(slim(text), ref(SALT, seq)))
            there = any(chats.squeeze(form)[:10] in bare for form in forms) or chats.in_cells(text, said)
            behind = ref(SALT, seq) in said or bool(pages)
            assert there or (behind and (deep or turn is not newest[-1])), (seq, text[:50])


@attack(60)
@given(chat=chats.chats(), room=ROOMS, rates=RATES)
def test_no_quoted_line_passes_for_one_of_the_runtime(chat: Chat, room: int, rates: Rates) -> None:
    made = chats.fresh("stateful", SURFACE + room, rates=rates)
    folded = 0
    for n, turn in enumerate(chat.turns()):
        if not turn.is_user:
            try:
                folded += len(made.prompt(state=STATE, page_seq=chats.PAGES + 10 * n).folds)
            except Overflow:
                return
        made.add(turn)
        if text := made.past.digest.text:
            first, *inside, last = text.splitlines()
            assert first.startswith(f"[satchel {TAG} summary of earlier turns")
            assert re.fullmatch(rf"\[/satchel {TAG} up to turn \d+\]", last)
            assert [line for line in inside if chats.FORGED.match(line)] in ([], [HEAD])
            assert inside.count("") == made.past.digest.blocks - 1
        if page := made.past.digest.page:
            assert [line for line in page.splitlines() if not re.match(r"turn \d+: |\| ", line)] == []


@attack(34)
@given(chat=chats.chats(most=12), room=ROOMS, rates=RATES, mode=st.sampled_from(sorted(MODES)))
def test_the_same_turns_give_the_same_bytes_and_prompts_only_grow_between_folds(
    chat: Chat, room: int, rates: Rates, mode: str
) -> None:
    first, again = (chats.drive(chat, mode, SURFACE + room, rates=rates) for _ in range(2))
    assert [chats.data(a.prompt) for a in first.asked] == [chats.data(b.prompt) for b in again.asked]
    if mode not in ("stateful", "stateless"):
        return
    for old, new in zip(first.asked, first.asked[1:], strict=False):
        if not new.prompt.folds and new.prompt.tools == old.prompt.tools:
            before = chats.without_tail(old.prompt)
            assert chats.without_tail(new.prompt)[: len(before)] == before


@attack(30)
@given(chat=chats.chats(most=12), room=ROOMS, rates=RATES)
def test_until_something_is_shortened_stateful_is_stateless(chat: Chat, room: int, rates: Rates) -> None:
    stateful, whole = chats.fresh("stateful", SURFACE + room, rates=rates), chats.fresh("stateless", 10**9)
    for turn in chat.turns():
        if not turn.is_user:
            try:
                prompt = stateful.prompt(state=STATE, page_seq=chats.PAGES)
            except Overflow:
                return
            if stateful.past.handles or stateful.past.digest.turns:
                return
            assert chats.data(prompt) == chats.data(whole.prompt(state=STATE))
        if slimmed(turn) is not turn:
            return
        stateful.add(turn)
        whole.add(turn)


@attack(40)
@given(chat=chats.chats(), room=ROOMS, rates=RATES)
def test_a_context_rebuilt_from_its_folds_sends_the_identical_next_prompt(chat: Chat, room: int, rates: Rates) -> None:
    """As after a crash: the folds of the log are done again, with the page numbers that the log gave them."""
    run, turns = chats.drive(chat, "stateful", SURFACE + room, rates=rates), chat.turns()
    rebuilt = chats.fresh("stateful", SURFACE + room, rates=rates)
    fed = 0
    for asked in run.asked:
        for turn in turns[fed : asked.after]:
            rebuilt.add(turn)
        fed = asked.after
        if asked is run.asked[-1]:
            assert chats.data(rebuilt.prompt(state=STATE, page_seq=asked.page_seq)) == chats.data(asked.prompt)
            return
        for done, number in zip(asked.prompt.folds, chats.steps(asked.prompt.folds, asked.page_seq), strict=True):
            rebuilt.refold(Folded(done.room, done.deep, None, done.certificate), number if done.page is not None else 0)
        rebuilt.resent()


PROGRAM = """
import hashlib, sys
from random import Random
from tests.invariants import chats
from tests.invariants.test_context import SURFACE
for seed in range(3):
    run = chats.drive(chats.storm(Random(seed)), "stateful", SURFACE + 2_500)
    print(hashlib.sha256(b"".join(chats.data(asked.prompt) for asked in run.asked)).hexdigest())
"""


def test_another_process_with_other_hashes_sends_the_same_bytes() -> None:
    """No set order, no hash of an object and no clock gets into a prompt."""
    root = Path(__file__).parents[2]
    told = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "4242")
    }
    assert len(told) == 1
    assert len(set(told.pop().split())) == 3


@pytest.mark.parametrize("parallel", [300, 3_000])
def test_thousands_of_parallel_calls_fit_and_the_next_turn_is_shown_again(parallel: int) -> None:
    calls = [("look", {"id": f"item_{k}"}, f"result {k} of the storm, with some words") for k in range(parallel)]
    chat = Chat(("go", ("", calls), *[("", [("look", {"id": "after"}, f"small {n}")]) for n in range(4)]))
    run = chats.drive(chat, "stateful", SURFACE + 4_000)
    assert not run.overflow
    for asked in run.asked:
        assert chats.count(asked.prompt) <= SURFACE + 4_000
        assert chats.lost(asked.prompt, chat.turns()[: asked.after], run.pages) == []
    assert [asked.prompt.messages[-1].role for asked in run.asked[1:]] == ["user", "tool", "tool", "tool", "tool"]


def test_words_of_the_user_outlive_many_folds_verbatim() -> None:
    rules = [f"Rule {n}: never touch the file secret_{n}.txt before noon." for n in range(6)]
    work = [("", [("look", {"id": f"item_{n}"}, f"{n} " + "lorem ipsum dolor " * 60)]) for n in range(120)]
    chat = Chat(
        (
            rules[0],
            *[
                entry
                for n, one in enumerate(work)
                for entry in ([rules[1 + n // 20], one] if n % 20 == 0 and n < 100 else [one])
            ],
        )
    )
    run = chats.drive(chat, "stateful", SURFACE + 4_000)
    assert sum(bool(asked.prompt.folds) for asked in run.asked) > 5
    said = chats.words(run.asked[-1].prompt)
    assert [rule for rule in rules if rule not in said] == []


def test_a_surface_above_the_ceiling_is_refused_and_a_ceiling_that_is_enough_is_named() -> None:
    with pytest.raises(PromptTooLarge) as refused:
        chats.fresh("stateful", SURFACE)
    named = re.search(r"to (\d+) or more", str(refused.value))
    assert named
    chats.fresh("stateful", int(named[1]))


def test_a_lower_ceiling_right_after_a_deep_fold_is_kept_too() -> None:
    """The reserved answer of a run that is nearly out of tokens."""
    calls = [("look", {"id": f"item_{k}"}, f"result {k} of the storm, with some words") for k in range(200)]
    made = chats.fresh("stateful", SURFACE + 4_000)
    for turn in Chat(("go", ("", calls))).turns():
        made.add(turn)
    assert any(done.deep for done in made.prompt(page_seq=chats.PAGES).folds)
    prompt = made.prompt(page_seq=chats.PAGES + 9, ceiling=SURFACE + 2_000, state=STATE, final=True)
    assert chats.count(prompt) <= SURFACE + 2_000
