"""A run of the engine with its folds where one wants them, and what it measured on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.evals.analyze import sent
from satchel.evals.replay import Replay
from satchel.runtime.context import recall
from satchel.runtime.context.block import HEADERS
from satchel.runtime.context.context import fixed
from satchel.runtime.context.controller import Rates
from satchel.runtime.context.folding import Fold
from satchel.runtime.mode import Mode

if TYPE_CHECKING:
    from satchel.evals.replay import Trajectory
    from satchel.runtime.context.epoch import Taken
    from satchel.runtime.context.past import Terms
    from satchel.runtime.context.turn import Turn
    from satchel.runtime.prices import Price


class Timed(Fold):
    """The stateful mode, folding before the prompts `at`, counted from 0, or if they are None when the controller says.

    Where the ceiling demands it, it folds anyway. It keeps every turn as the engine took it (`taken`), how many there
    were at each prompt, and the expected and the real size of each block that was appended, in tokens.
    """

    def __init__(self, terms: Terms, at: frozenset[int] | None = None) -> None:
        super().__init__(terms)
        self.taken: list[Taken] = []
        self.prompts: list[int] = []
        self.blocks: list[tuple[int, int]] = []
        self.room = 0
        self.handles_at: int | None = None
        self._at = at

    @property
    def task(self) -> int:
        """Tokens of the task."""
        return self._task.size if self._task else 0

    def add(self, turn: Turn, room: int) -> None:
        """Take in a turn, and keep it."""
        had, known = self.handles, len(self._epoch)
        super().add(turn, room)
        self.room = room
        self.taken += self._epoch[known:]
        if self.handles > had:
            self.handles_at = len(self.prompts)

    def due(self) -> bool:
        """Whether a fold was asked for before this prompt."""
        return super().due() if self._at is None else len(self.prompts) in self._at

    def sent(self) -> None:
        """Count the prompt."""
        super().sent()
        self.prompts.append(len(self.taken))

    def fold(self, room: int, page_seq: int, *, deep: bool = False) -> bool:
        """Fold, and keep the size of a block that it appended."""
        before, expected = self.digest, self._outlook()
        done = super().fold(room, page_seq, deep=deep)
        if done and self.digest.blocks > max(1, before.blocks):
            self.blocks.append((expected.folded - before.size + HEADERS, self.digest.size - before.size))
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of the engine, sizes in tokens.

    `plain` and `surface` are the fixed surface without and with `recall`, `room` is what the ceiling leaves for
    messages. `taken` are the turns, `prompts` tells how many there were at each prompt, `handles_at` the first prompt
    with a preview. `share` is what appended blocks took of what was expected of them. `bill` is in millions of uncached
    input tokens.
    """

    plain: int
    surface: int
    task: int
    room: int
    taken: tuple[Taken, ...]
    prompts: tuple[int, ...]
    handles_at: int
    share: float
    folds: tuple[int, ...]
    bill: float


def play(trajectory: Trajectory, limit: str, price: Price, at: frozenset[int] | None = None) -> Run:
    """Replay a trajectory under a context limit, folding before the prompts `at`, or by the controller."""
    pasts: list[Timed] = []

    def past(terms: Terms) -> Timed:
        pasts.append(Timed(terms, at))
        return pasts[-1]

    calls, _ = Replay(Mode("timed", "folds at given prompts", past), limit, Rates(*price.rates)).run(trajectory)
    timed, system = pasts[-1], [message for message in trajectory.messages if message.role == "system"]
    expected, took = map(sum, zip(*timed.blocks, strict=True)) if timed.blocks else (1, 1)
    return Run(
        plain=fixed(system, trajectory.tools),
        surface=fixed(system, (*trajectory.tools, recall.schema())),
        task=timed.task,
        room=timed.room,
        taken=tuple(timed.taken),
        prompts=tuple(timed.prompts),
        handles_at=len(calls) if timed.handles_at is None else timed.handles_at,
        share=took / expected,
        folds=tuple(n for n, call in enumerate(calls) if call.prompt.folds),
        bill=sent(calls, [price], cached=True).usd[price.name] or 0.0,
    )
