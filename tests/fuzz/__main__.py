"""Give strangers' bytes to every reader, a million by default, and count what goes wrong: nothing may.

    python -m tests.fuzz --cases 1000000 --seed 0

A reader gives a value or raises our error for it, within a second and 2 GiB; it runs nothing and opens nothing.
"""

from __future__ import annotations

import argparse
import logging
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import judge, watching

SHOWN = 20


def main() -> int:
    """Read the command line, and print what was found."""
    ask = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    ask.add_argument("--cases", type=int, default=1_000_000)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--only", choices=[target.name for target in TARGETS])
    ask.add_argument("--keep", type=Path, help="a folder for the cases that went wrong")
    given = ask.parse_args()
    logging.disable()  # LangGraph's serializer warns of each type that it does not make
    targets = [target for target in TARGETS if given.only in {None, target.name}]
    dice = random.Random(given.seed)
    faults: Counter[str] = Counter()
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with watching():
        for n in range(given.cases):
            target = targets[n % len(targets)]
            case = target.make(dice)
            fault = judge(target, case)
            if fault:
                faults[f"{target.name} {fault}"] += 1
                if given.keep and faults[f"{target.name} {fault}"] == 1:
                    given.keep.mkdir(exist_ok=True)
                    (given.keep / f"{target.name}-{n}").write_text(repr(case))
    seconds = time.monotonic() - began
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> (20 if sys.platform == "darwin" else 10)
    lines = [
        f"{given.cases:,} cases for {len(targets)} readers ({', '.join(target.name for target in targets)})",
        f"{seconds:,.0f} s, {seconds / max(1, given.cases) * 1e6:,.0f} us a case, {peak:,} MiB more memory at the peak",
        f"{faults.total():,} violations",
        *(f"  {times:,} x {fault}" for fault, times in faults.most_common(SHOWN)),
    ]
    sys.stdout.write("\n".join([*lines, ""]))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
