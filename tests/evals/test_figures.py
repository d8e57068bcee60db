"""The table in the README is what its command prints: run again here, in memory, and compared cell by cell."""

from __future__ import annotations

import re
from pathlib import Path

from satchel.evals.compare import compare
from satchel.evals.ledger import table
from satchel.evals.suite import suite
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.prices import STANDING

README = Path(__file__).parents[2] / "README.md"
SEEDS = 40  # what the command takes unless told otherwise


async def test_the_readme_shows_what_the_command_gives_and_the_bars_hold() -> None:
    result = await compare(suite("knapsack"), ["stateful"], range(SEEDS), store=MemoryStore(), prices=STANDING)
    made = {line.name: list(line.cells) for line in table(result.to_json())}
    assert shown() == {name: made[name] for name in shown()}

    ratios = result.to_json()["comparisons"]["stateful"]
    assert abs(ratios["success_diff"]) <= 0.01
    assert ratios["token_ratio"] <= 0.50
    assert ratios["usd_ratio"]["c=.10,w=1.25"] <= 0.75


def shown() -> dict[str, list[str]]:
    """The rows of the README's table by name."""
    block = re.search(
        r"<!-- table: satchel compare knapsack -->\n(.*?)<!-- /table -->", README.read_text("utf-8"), re.DOTALL
    )
    lines = block[1].splitlines()[2:] if block else []
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(rows) > 10
    return {name: cells for name, *cells in rows}
