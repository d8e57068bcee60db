"""Rate and distortion: how success falls with the context limit, and the least limit that keeps 99 % of it.

`python -m satchel.evals.distortion SUITE --seeds 3` runs the stateful mode at each limit and prints the curve.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from satchel.evals.suite import suite
from satchel.evals.trial import run_trial
from satchel.memory.errors import PromptTooLarge
from satchel.memory.memory_store import MemoryStore

if TYPE_CHECKING:
    from satchel.evals.suite import Suite

LIMITS = (2_000, 3_000, 4_000, 6_000, 8_000, 12_000, 16_000)
"""Context limits in tokens beyond the fixed surface; the reply's 1,024 are inside."""

KEPT = 0.99
"""Share of the oracle's success that counts as kept."""


async def curve(of: Suite, seeds: Sequence[int], limits: Sequence[int] = LIMITS) -> dict[int, float | None]:
    """By limit, the success in the stateful mode over the oracle's; None where nothing fits under the limit."""
    found: dict[int, float | None] = {}
    for limit in limits:
        try:
            trials = [
                await run_trial(
                    of, seed, "stateful", store=MemoryStore(), prices=["no-cache"], context_limit=f"+{limit}"
                )
                for seed in seeds
            ]
        except PromptTooLarge:
            found[limit] = None
        else:
            found[limit] = sum(t.success for t in trials) / sum(t.oracle for t in trials)
    return found


def b99(found: dict[int, float | None]) -> int | None:
    """The least limit from which on every success is kept, in tokens; None if the largest does not keep it."""
    least = None
    for limit in sorted(found, reverse=True):
        share = found[limit]
        if share is None or share < KEPT:
            break
        least = limit
    return least


def main() -> None:
    """Print the curve of a suite."""
    words = argparse.ArgumentParser(description="success by context limit")
    words.add_argument("suite")
    words.add_argument("--seeds", type=int, default=3)
    given = words.parse_args()
    found = asyncio.run(curve(suite(given.suite), range(given.seeds)))
    for limit, share in found.items():
        sys.stdout.write(f"+{limit:>6}  {'does not fit' if share is None else f'{share:.3f}'}\n")
    sys.stdout.write(f"B99: {b99(found)}\n")


if __name__ == "__main__":
    main()
