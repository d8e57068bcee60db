"""What a call needed, and whether a prompt holds it: small cases whose answer is plain to see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from satchel.evals.facts import Fact, Facts, holds, pieces
from satchel.evals.fidelity import Fidelity, anchored, fidelity
from satchel.evals.replay import Call, Trajectory, trajectory
from satchel.runtime.context.context import Prompt
from satchel.runtime.context.message import Message

SEEN = "The keeper wrote: order A-1042 weighs 77 stone, costs 1250 and lies in /depot/north/lamp.txt since 2026-01-03."


def talk(args: Any, *, system: str = "You help.", seen: str = SEEN, text: str = "") -> Trajectory:
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "What about it?"},
        {"role": "assistant", "content": "I look at B-7731.", "tool_calls": [{"id": "a", "name": "look", "args": {}}]},
        {"role": "tool", "content": seen, "tool_call_id": "a"},
        {"role": "assistant", "content": text, "tool_calls": [{"id": "b", "name": "go", "args": args}] if args else []},
    ]
    return trajectory(json.loads(json.dumps({"id": "t", "messages": messages})), "here")


def needed(found: Trajectory) -> list[str]:
    return [fact.literal for fact in list(Facts(found))[-1]]


@pytest.mark.parametrize(
    ("args", "literals"),
    [
        ({"order": "A-1042"}, ["A-1042"]),
        ({"price": 1250, "weight": 77, "half": 1250.0}, ["1250"]),
        ({"deep": [{"path": "/depot/north/lamp.txt"}]}, ["/depot/north/lamp.txt"]),
        ({"note": "the keeper wrote"}, []),
        ({"note": "keeper wrote"}, ["keeper wrote"]),
        ({"note": "send A-1042 on 2026-01-03 and C-9999"}, ["2026-01-03", "A-1042"]),
        ({"note": "A-104"}, []),
        ({"own": "B-7731"}, []),
        ({"yes": True, "none": None}, []),
    ],
)
def test_needed_are_literals_that_a_tool_or_the_user_said_before(args: Any, literals: list[str]) -> None:
    assert needed(talk(args)) == literals


def test_an_answer_needs_its_entity_like_words_and_nothing_that_always_stands_in_the_prompt() -> None:
    assert needed(talk(None, text="Order A-1042 costs 1250.")) == ["A-1042", "1250"]
    assert needed(talk(None, text="Order A-1042 costs 1250.", system="Never sell A-1042.")) == ["1250"]


def test_at_most_twelve_facts_count_the_rarest_first() -> None:
    names = [f"crate-{n}" for n in range(100, 120)]
    found = needed(talk({"all": names}, seen=" ".join(names)))
    assert found == sorted(names)[:12]


def test_a_literal_inside_a_longer_word_does_not_stand_there() -> None:
    assert holds("at 1042.", "1042")
    assert not holds("at 10429 or A1042", "1042")
    assert holds("10429 and 1042", "1042")
    assert pieces("see lamp.txt, NASA, 12, 200 and plain words") == ["lamp.txt", "NASA", "200"]


def test_a_fact_is_anchored_beside_half_of_the_plain_words_of_its_first_place() -> None:
    fact = next(fact for fact in list(Facts(talk({"price": 1250})))[-1])
    assert fact.anchors == {"keeper", "wrote", "order", "weighs", "77", "stone", "costs", "lies", "in", "since"}
    assert anchored("an order of the keeper, who wrote that it weighs much and costs 1250", fact)
    assert not anchored("1250 77 A-1042", fact)
    assert anchored("1250", Fact("1250", frozenset()))


def test_recall_complete_and_addressable_of_prompts_made_by_hand() -> None:
    found = talk({"order": "A-1042", "price": 1250})

    def judged(*words: str, vault: dict[str, str] | None = None) -> Fidelity:
        messages = tuple(Message("user", text) for text in words)
        calls = [Call("t", n, Prompt(messages, (), 0)) for n in range(2)]
        return sum(fidelity(found, calls, vault or {}), Fidelity())

    assert judged(SEEN).shares() == {"recall": 1, "anchored": 1, "complete": 1, "addressable": 1}
    assert judged("1250", "A-1042").shares() == {"recall": 1, "anchored": 0, "complete": 1, "addressable": 1}
    half = judged("1250 and see res:000000001")
    assert (half.recalled, half.complete, half.addressable, half.reachable) == (1, 0, 1, 0)
    behind = judged("1250 and see res:000000001", vault={"res:000000001": SEEN})
    assert (behind.recalled, behind.complete, behind.addressable, behind.reachable) == (1, 0, 2, 1)
    assert judged("nothing", vault={"res:000000001": SEEN}).addressable == 0
