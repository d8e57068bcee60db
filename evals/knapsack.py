"""Opaque Knapsack: pack the most value when the rules of admission are hidden and every look costs (arXiv 2603.01209).

Items have a class, a weight and a value, all hidden. Few classes are admitted, which ones is hidden too, and a refusal
is the only sign. The figures are those of the paper's published generator; two of its defects are not kept: the
admitted classes come from the seeded generator, and no text shows a set in its accidental order.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field, replace
from math import ceil
from random import Random
from typing import TYPE_CHECKING

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

ATTEMPTS = 200
"""Instances drawn for one seed before we give up."""

FEWEST, FEWEST_OPTIMAL, LARGEST = 5, 3, 0.4
"""An instance is worth playing with this many admitted items, this many in the best sack, and no item above this share
of its value."""

STRIDE = 1_000_003
"""Added to the seed for each further attempt."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """Ranges that an instance is drawn from, bounds included; `fill` is capacity over the weight of admitted items."""

    name: str
    items: Range
    weight: Range
    value: Range
    classes: int
    admitted: int
    fill: tuple[float, float]


EASY = Difficulty(
    name="easy", items=(25, 40), weight=(5, 20), value=(10, 100), classes=15, admitted=3, fill=(0.35, 0.5)
)
HARD = Difficulty(
    name="hard", items=(80, 120), weight=(5, 50), value=(10, 500), classes=26, admitted=5, fill=(0.4, 0.6)
)

LONG = replace(HARD, name="long", items=(175, 195))
LONGEST = replace(HARD, name="longest", items=(360, 390))
"""Two levels that the paper does not have: with one inspection a turn, about 200 and 400 turns."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item as `inspect` shows it."""

    id: str
    kind: str
    value: int
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One puzzle. `optimum` is the best value that fits, over admitted items, by 0/1 dynamic programming."""

    seed: int
    items: tuple[Item, ...]
    admitted: frozenset[str]
    capacity: int
    inspections: int
    optimum: int
    optimal_items: int


def generate(difficulty: Difficulty, seed: int, *, prefix: str = "item_") -> Instance:
    """The instance of a seed: the first draw that is worth playing. Raises `ConfigError` after `ATTEMPTS` draws."""
    for attempt in range(ATTEMPTS):
        instance = _draw(difficulty, Random(seed + attempt * STRIDE), seed, prefix)  # noqa: S311 - a puzzle, no secret
        if instance is not None:
            return instance
    raise ConfigError(f"no {difficulty.name} knapsack for seed {seed} in {ATTEMPTS} draws; take another seed")


def _draw(difficulty: Difficulty, rng: Random, seed: int, prefix: str) -> Instance | None:
    kinds = string.ascii_uppercase[: difficulty.classes]
    admitted = frozenset(rng.sample(kinds, difficulty.admitted))
    items = tuple(
        Item(
            id=f"{prefix}{rng.getrandbits(48):012x}",
            kind=rng.choice(sorted(admitted) if number == 0 else kinds),
            value=rng.randint(*difficulty.value),
            weight=rng.randint(*difficulty.weight),
        )
        for number in range(rng.randint(*difficulty.items))
    )
    valid = [item for item in items if item.kind in admitted]
    weights = [item.weight for item in valid]
    capacity = max(round(rng.uniform(*difficulty.fill) * sum(weights)), min(weights))
    best = optimal_set(valid, capacity)
    optimum = sum(item.value for item in best)
    largest = max(item.value for item in best)
    if len(valid) < FEWEST or len(best) < FEWEST_OPTIMAL or largest > LARGEST * optimum:
        return None
    return Instance(
        seed=seed,
        items=items,
        admitted=admitted,
        capacity=capacity,
        inspections=_inspections(difficulty, capacity, len(best), len(items)),
        optimum=optimum,
        optimal_items=len(best),
    )


def _inspections(difficulty: Difficulty, capacity: int, optimal: int, items: int) -> int:
    """Looks granted: 1.5 times what filling the sack takes at the share of admitted classes, in 5..items."""
    filling = capacity / (sum(difficulty.weight) / 2)
    share = difficulty.admitted / difficulty.classes
    return min(max(ceil(max(1.5 * filling / share, 1.1 * optimal)), 5), items)


def optimal_set(items: Sequence[Item], capacity: int) -> list[Item]:
    """The most valuable items that fit together: 0/1 knapsack by dynamic programming, O(items x capacity)."""
    rows = [[0] * (capacity + 1)]
    for item in items:
        last = rows[-1]
        took = [value + item.value for value in last[: max(capacity + 1 - item.weight, 0)]]
        rows.append([*last[: item.weight], *map(max, last[item.weight :], took)])
    chosen, room = [], capacity
    for number in range(len(items), 0, -1):
        if rows[number][room] != rows[number - 1][room]:
            chosen.append(items[number - 1])
            room -= items[number - 1].weight
    return chosen[::-1]


@dataclass(slots=True)
class World:
    """The puzzle while it is played: what was inspected and taken. Methods return None or the reason of a refusal."""

    instance: Instance
    inspected: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def item(self, item_id: str) -> Item | None:
        """The item of that id, or None."""
        return next((item for item in self.instance.items if item.id == item_id), None)

    def inspect(self, item_id: str) -> str | None:
        """Spend one inspection; looking at the same item again is free."""
        if self.item(item_id) is None:
            return "unknown item"
        if item_id not in self.inspected and len(self.inspected) >= self.instance.inspections:
            return "inspection budget spent"
        self.inspected.add(item_id)
        return None

    def take(self, item_id: str) -> str | None:
        """Put the item into the sack unless it is unknown, taken, of a class that is not admitted, or too heavy."""
        item = self.item(item_id)
        if item is None:
            return "unknown item"
        if item_id in self.taken:
            return "already taken"
        if item.kind not in self.instance.admitted:
            return "class not admitted"
        if self.weight + item.weight > self.instance.capacity:
            return "over capacity"
        self.taken.add(item_id)
        return None

    @property
    def weight(self) -> int:
        """Weight of what is in the sack."""
        return sum(item.weight for item in self.instance.items if item.id in self.taken)

    def score(self) -> float:
        """Value in the sack over the optimum, 0..1; 0 for a sack over its capacity."""
        if self.weight > self.instance.capacity:
            return 0.0
        value = sum(item.value for item in self.instance.items if item.id in self.taken)
        return value / self.instance.optimum
