"""How long the engine takes to assemble a prompt, turn by turn: it should not grow with the thread.

    python -m satchel.evals.assembly [--turns N] [--context-limit N] [--threads N]

Times are of the processor, in milliseconds, each turn's with all that the engine does for it: taking in the turn
before, counting, deciding on a fold, folding, assembling. No model, no store.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass
from statistics import median

from satchel.runtime.context.context import numbers
from satchel.runtime.context.controller import Rates
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.context.turn import turns
from satchel.runtime.mode import mode
from satchel.runtime.spec import context

WORDS = 160
"""Words of each result: about 300 tokens."""

AROUND = 9
"""Turns on either side that are taken together with one."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each turn, in order, of several threads, and whether the turn folded."""

    threads: tuple[tuple[tuple[float, bool], ...], ...]

    def around(self, turn: int) -> float:
        """The median of the turns near one, folds left out; seconds."""
        near = [s for thread in self.threads for s, folded in thread[turn - AROUND : turn + AROUND] if not folded]
        return median(near)

    @property
    def all(self) -> float:
        """The median of all turns, those that folded among them; seconds."""
        return median(s for thread in self.threads for s, _ in thread)

    @property
    def folds(self) -> float:
        """The median of the turns that folded; seconds, 0 if none did."""
        return median([s for thread in self.threads for s, folded in thread if folded] or [0.0])


def thread(seed: int, count: int) -> list[Message]:
    """A chat of `count` calls whose results name things, some of them again."""
    draw = random.Random(seed)  # noqa: S311 - data, not a secret
    out = [Message("user", "Find out what is wrong in the depot, and report it.")]
    for n in range(count):
        named = (f"part_{draw.randrange(4_000):04d}" for _ in range(WORDS))
        words = [name if draw.randrange(10) < 1 else "crate" for name in named]
        call = ToolCall(f"c{n}", "look", {"place": f"hall-{n}"})
        out += [Message("assistant", "", (call,)), Message("tool", " ".join(words), call_id=call.id, name="look")]
    return out


def measure(count: int = 400, limit: int = 12_000, threads: int = 3) -> Times:
    """The times of `threads` threads of `count` turns under a ceiling of `limit` tokens."""
    return Times(tuple(tuple(_run(thread(seed, count), limit)) for seed in range(threads)))


def _run(messages: list[Message], limit: int) -> list[tuple[float, bool]]:
    made = context(
        mode("stateful"), b"s" * 16, system=(), tools=(), ceiling=limit, reply_tokens=0, rates=Rates(),
    )  # fmt: skip
    out, page = [], 10**8
    first, *rest = turns(messages)
    made.add(first)
    for turn in rest:
        began = time.process_time()
        prompt = made.prompt(state="", page_seq=page)
        made.add(turn)
        out.append((time.process_time() - began, bool(prompt.folds)))
        page += numbers(prompt.folds)
    return out


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=400)
    parser.add_argument("--context-limit", type=int, default=12_000)
    parser.add_argument("--threads", type=int, default=3)
    asked = parser.parse_args()
    measure(20, asked.context_limit, 1)  # the vocabulary is read on first use
    found = measure(asked.turns, asked.context_limit, asked.threads)
    early, late = found.around(10), found.around(asked.turns - AROUND)
    said = (
        f"median of all turns   {1000 * found.all:.2f} ms",
        f"turns that fold       {1000 * found.folds:.2f} ms",
        f"around turn 10        {1000 * early:.2f} ms",
        f"around turn {asked.turns:<10}{1000 * late:.2f} ms, {late / early:.2f}x",
    )
    print("\n".join(said))  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
