"""Kill agents and their server by the thousand, resume, and count what is lost, doubled or repeated: nothing may be.

    python -m tests.chaos.campaign --client-kills 500 --server-kills 100 --graph-kills 100 --points --seed 0

Each worker has an embedded server of its own. It gives one thread after the other to processes that are forked from
this one, kills them or the server at random moments until the thread has ended, and lets a rival compete for a thread
now and then. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.chaos import depot, supersteps
from tests.chaos.program import warm
from tests.chaos.site import Blow, Found, Site, blows

MODES = ("stateful", "stateless")


@dataclass
class Share:
    """What one worker has to do, and where."""

    number: int
    place: Path
    seed: int
    client: int = 0
    server: int = 0
    graph: int = 0
    points: tuple[int, int] | None = None


def work(share: Share) -> Found:
    """Do one worker's share."""
    place = share.place / str(share.number)
    place.mkdir()
    site = Site(place, share.place / "tree", f"{share.seed}/{share.number}")
    every = [(question, mode) for question in depot.QUESTIONS | depot.WRITES for mode in MODES]
    with site.served():  # held, so that it does not end between two threads
        for victim, most in (("client", share.client), ("server", share.server)):
            while site.found.counts[f"kills of the {victim}"] < most:
                site.thread(*site.dice.choice(every), blows(site, victim))
        for victim, most in (("client", share.graph), ("server", share.graph // 10)):
            while site.found.counts[f"kills of the {victim} of a graph"] < most:
                site.graph(victim)
        if share.points is not None:
            for question, mode in every:
                for number in range(1 + share.points[0], 1 + site.whole(question, mode)[1], share.points[1]):
                    for victim, word in (("client", "kill"), ("server", "fell")):
                        site.thread(question, mode, iter([Blow(victim, job={word: number})]))
    return site.found


def campaign(given: list[Share]) -> Found:
    """All shares side by side, summed up."""
    asyncio.run(warm())
    asyncio.run(supersteps.warm(given[0].place))
    gc.freeze()  # the children share these pages
    depot.grow(given[0].place / "tree")
    whole = Found()
    with get_context("fork").Pool(len(given)) as pool:
        for found in pool.imap_unordered(work, given):
            whole.counts += found.counts
            whole.faults += found.faults
    return whole


def shares(place: Path, given: argparse.Namespace) -> list[Share]:
    """What each worker has to do, so that together they do all."""
    n = given.workers
    client, server, graph = (-(-kills // n) for kills in (given.client_kills, given.server_kills, given.graph_kills))
    points = [(k, n) if given.points else None for k in range(n)]
    return [Share(k, place, given.seed, client, server, graph, points[k]) for k in range(n)]


def report(found: Found, seconds: float) -> str:
    """What was found, one line a count, and the violations that came most often."""
    counts = {**dict(sorted(found.counts.items())), "seconds": round(seconds), "violations": len(found.faults)}
    lines = [f"{name:36} {value:>9,}" for name, value in counts.items()]
    return "\n".join([*lines, *(f"  {n} x {fault}" for fault, n in Counter(found.faults).most_common(20)), ""])


def main() -> int:
    """Read the command line, and print what was found."""
    ask = argparse.ArgumentParser(prog="python -m tests.chaos.campaign", description=__doc__.partition("\n")[0])
    ask.add_argument("--client-kills", type=int, default=500)
    ask.add_argument("--server-kills", type=int, default=100)
    ask.add_argument("--graph-kills", type=int, default=100, help="of a graph over RedisSaver; its server: a tenth")
    ask.add_argument("--points", action="store_true", help="also kill client and server at every numbered operation")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = ask.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="satchel-campaign-") as place:
        found = campaign(shares(Path(place), given))
    sys.stdout.write(report(found, time.monotonic() - began))
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())
