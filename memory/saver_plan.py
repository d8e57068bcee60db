"""A change of a thread's checkpoints that waits to be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from satchel.memory.fields import Change

CHUNK = 1_900
"""Fields of one script: some services take no more than 3,999 arguments."""


@dataclass(slots=True)
class Plan:
    """A change to be sent, and how to plan it anew if what it relied on is gone."""

    make: Callable[[Plan], None]
    epoch: int = -1
    put: dict[bytes, bytes] = field(default_factory=dict)
    fresh: dict[bytes, bytes] = field(default_factory=dict)
    top: dict[bytes, bytes] = field(default_factory=dict)
    push: dict[bytes, bytes] = field(default_factory=dict)
    error: BaseException | None = None
    begun: bool = False
    done: bool = False

    def renew(self, epoch: int) -> None:
        """Plan it, or plan it anew, for this epoch of its writer."""
        self.epoch = epoch
        for part in (self.put, self.fresh, self.top, self.push):
            part.clear()
        self.make(self)

    def changes(self, generation: bytes | None) -> Iterator[Change]:
        """One change, or several where it is too large for one script: then what others refer to comes first."""
        put, fresh = list(self.put.items()), list(self.fresh.items())
        while len(put) + len(fresh) + len(self.top) + len(self.push) > CHUNK:
            if fresh:
                yield Change(fresh=dict(fresh[:CHUNK]), generation=generation)
                fresh = fresh[CHUNK:]
            else:
                yield Change(put=dict(put[:CHUNK]), generation=generation)
                put = put[CHUNK:]
        yield Change(put=dict(put), fresh=dict(fresh), top=self.top, push=self.push, generation=generation)
