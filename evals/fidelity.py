"""Whether the needed facts of each call stand in its prompt: what a shorter prompt has lost, without asking a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from satchel.evals.facts import Facts, holds
from satchel.memory.handles import HANDLE
from satchel.runtime.context import tokens

if TYPE_CHECKING:
    from satchel.evals.facts import Fact
    from satchel.evals.replay import Call, Trajectory
    from satchel.runtime.context.message import Message

SPAN, TRIES = 120, 60
"""Characters on either side of a fact in which its anchors must stand, and the places that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """Counts over calls.

    Of `facts` needed: `recalled` stand in the prompt, `anchored` beside at least half of the plain words of their first
    place, `addressable` in it or in a text behind a handle in it. Of `calls` that need facts: `complete` have all in
    the prompt, `reachable` in it or behind its handles.
    """

    facts: int = 0
    recalled: int = 0
    anchored: int = 0
    addressable: int = 0
    calls: int = 0
    complete: int = 0
    reachable: int = 0

    def __add__(self, other: Fidelity) -> Fidelity:
        return Fidelity(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def shares(self) -> dict[str, float | None]:
        """Recall, anchored, complete and addressable as shares 0..1; None where no call needed a fact."""
        return {
            "recall": self.recalled / self.facts if self.facts else None,
            "anchored": self.anchored / self.facts if self.facts else None,
            "complete": self.complete / self.calls if self.calls else None,
            "addressable": self.addressable / self.facts if self.facts else None,
        }


@dataclass(slots=True)
class _Text:
    """A text that stands in prompts, or behind a handle; what is found in it is found once."""

    text: str
    refs: frozenset[str] = frozenset()
    _holds: dict[str, bool] = field(default_factory=dict)
    _anchored: dict[Fact, bool] = field(default_factory=dict)

    def holds(self, literal: str) -> bool:
        if literal not in self._holds:
            self._holds[literal] = holds(self.text, literal)
        return self._holds[literal]

    def anchors(self, fact: Fact) -> bool:
        if fact not in self._anchored:
            self._anchored[fact] = anchored(self.text, fact)
        return self._anchored[fact]


def anchored(text: str, fact: Fact) -> bool:
    """Whether a place of the fact in the text is near at least half of its anchors."""
    if not fact.anchors:
        return True
    at, tries = text.find(fact.literal), TRIES
    while at >= 0 and tries:
        near = text[max(0, at - SPAN) : at + len(fact.literal) + SPAN].lower()
        if 2 * sum(word in near for word in fact.anchors) >= len(fact.anchors):
            return True
        at, tries = text.find(fact.literal, at + 1), tries - 1
    return False


def fidelity(trajectory: Trajectory, calls: Sequence[Call], vault: Mapping[str, str]) -> Iterator[Fidelity]:
    """The counts of each call of a replay; `vault` holds the recorded texts behind the handles of its prompts."""
    known: dict[int, _Text] = {}
    behind: dict[str, _Text] = {}

    def shown(message: Message) -> _Text:
        if id(message) not in known:  # the prompts hold every message, so no identity comes twice
            text = tokens.render(message)
            known[id(message)] = _Text(text, frozenset(HANDLE.findall(text)))
        return known[id(message)]

    for call, needed in zip(calls, Facts(trajectory), strict=True):
        if not needed:
            yield Fidelity()
            continue
        sent = [_Text(tokens.render_tools(call.prompt.tools))] if call.prompt.tools else []
        sent += map(shown, call.prompt.messages)
        refs = sorted({ref for text in sent for ref in text.refs} & vault.keys())
        yield _judge(needed, sent, [behind.setdefault(ref, _Text(vault[ref])) for ref in refs])


def _judge(needed: Sequence[Fact], sent: Sequence[_Text], stored: Sequence[_Text]) -> Fidelity:
    recalled = near = reachable = 0
    for fact in needed:
        holders = [text for text in sent if text.holds(fact.literal)]
        recalled += bool(holders)
        near += any(text.anchors(fact) for text in holders)
        reachable += bool(holders) or any(text.holds(fact.literal) for text in stored)
    most = len(needed)
    return Fidelity(
        facts=most, recalled=recalled, anchored=near, addressable=reachable,
        calls=1, complete=int(recalled == most), reachable=int(reachable == most),
    )  # fmt: skip
