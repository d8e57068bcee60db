"""A change of a thread's checkpoints that waits to be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from satchel.memory.fields import Change

CHUNK = 1_900
"""Fields of one script: some services take no more than 3,999 arguments."""


@dataclass(slots=True)
class Plan:
    """A change to be sent, and how to plan it anew if what it relied on is gone."""

    make: Callable[[Plan], None]
    token: str = ""
    epoch: int = -1
    put: dict[bytes, bytes] = field(default_factory=dict)
    fresh: dict[bytes, bytes] = field(default_factory=dict)
    top: dict[bytes, bytes] = field(default_factory=dict)
    push: list[tuple[bytes, bytes]] = field(default_factory=list)
    error: Exception | None = None
    begun: bool = False
    done: bool = False

    def renew(self, epoch: int) -> None:
        """Plan it, or plan it anew, for this epoch of its writer."""
        self.epoch = epoch
        for part in (self.put, self.fresh, self.top, self.push):
            part.clear()
        self.make(self)

    @property
    def size(self) -> int:
        """Fields that it writes."""
        return len(self.put) + len(self.fresh) + len(self.top) + len(self.push)


def together(queue: Iterable[Plan]) -> list[Plan]:
    """The first plans of a queue that fit into one script and are of one turn; the first alone if it does not fit."""
    out: list[Plan] = []
    room = CHUNK
    for plan in queue:
        room -= plan.size
        if out and (room < 0 or plan.token != out[0].token):
            break
        out.append(plan)
    return out


def changes(plans: Sequence[Plan], generation: bytes | None) -> Iterator[Change]:
    """One change for all, or several where one plan is too large: then what others refer to comes first."""
    put, fresh, top = _merged(plan.put for plan in plans), _merged(plan.fresh for plan in plans), dict[bytes, bytes]()
    for name, value in (pair for plan in plans for pair in plan.top.items()):
        top[name] = max(value, top.get(name, b""))
    push = [pair for plan in plans for pair in plan.push]
    under = Change(generation=generation, token=plans[0].token)
    while len(put) + len(fresh) + len(top) + len(push) > CHUNK:
        part = fresh or put
        some = {name: part.pop(name) for name in list(part)[:CHUNK]}
        yield replace(under, fresh=some) if part is fresh else replace(under, put=some)
    yield replace(under, put=put, fresh=fresh, top=top, push=push)


def _merged(parts: Iterable[Mapping[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name: value for part in parts for name, value in part.items()}
