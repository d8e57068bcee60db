"""Opaque Knapsack is the puzzle of the paper: same sizes, same rules, and a seed decides everything."""

from __future__ import annotations

import itertools
import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.evals.catalogue import passage
from satchel.evals.knapsack import EASY, HARD, Difficulty, Item, World, generate, optimal_set
from satchel.evals.suite import SUITES, suite
from satchel.memory.errors import ConfigError
from satchel.runtime.context import tokens

SEEDS = range(40)


@pytest.mark.parametrize(
    ("difficulty", "items", "inspected", "optimal"), [(EASY, 33.5, 0.80, 4.3), (HARD, 101.3, 0.73, 11.7)]
)
def test_instances_have_the_sizes_of_the_paper(
    difficulty: Difficulty, items: float, inspected: float, optimal: float
) -> None:
    made = [generate(difficulty, seed) for seed in SEEDS]
    assert mean(len(i.items) for i in made) == pytest.approx(items, rel=0.05)
    assert mean(i.inspections / len(i.items) for i in made) == pytest.approx(inspected, abs=0.08)
    assert mean(i.optimal_items for i in made) == pytest.approx(optimal, rel=0.12)


@pytest.mark.parametrize("difficulty", [EASY, HARD])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_instance_keeps_the_rules(difficulty: Difficulty, seed: int) -> None:
    made = generate(difficulty, seed)
    valid = [item for item in made.items if item.kind in made.admitted]
    assert len(made.admitted) == difficulty.admitted
    assert difficulty.items[0] <= len(made.items) <= difficulty.items[1]
    assert all(difficulty.weight[0] <= item.weight <= difficulty.weight[1] for item in made.items)
    assert all(difficulty.value[0] <= item.value <= difficulty.value[1] for item in made.items)
    assert made.items[0] in valid
    assert len(valid) >= 5
    assert made.optimal_items >= 3
    assert max(item.value for item in optimal_set(valid, made.capacity)) <= 0.4 * made.optimum
    assert 5 <= made.inspections <= len(made.items)
    assert len({item.id for item in made.items}) == len(made.items)


def test_a_seed_decides_the_instance_and_nothing_else_does() -> None:
    random.seed(1)
    before = random.getstate()
    first = generate(HARD, 7)
    random.seed(2)
    assert generate(HARD, 7) == first
    random.setstate(before)
    generate(HARD, 8)
    assert random.getstate() == before


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=8), st.integers(1, 30))
def test_the_optimal_set_is_the_best_of_all_subsets(pairs: list[tuple[int, int]], capacity: int) -> None:
    items = [Item(f"i{n}", "A", value, weight) for n, (value, weight) in enumerate(pairs)]
    best = optimal_set(items, capacity)
    assert sum(item.weight for item in best) <= capacity
    subsets = itertools.chain.from_iterable(itertools.combinations(items, n) for n in range(len(items) + 1))
    fitting = (s for s in subsets if sum(item.weight for item in s) <= capacity)
    assert sum(item.value for item in best) == max(sum(item.value for item in s) for s in fitting)


def test_the_world_refuses_by_the_rules_and_says_why() -> None:
    world = World(generate(HARD, 0))
    good = world.instance.items[0]
    other = next(item for item in world.instance.items if item.kind not in world.instance.admitted)
    assert world.take("nothing") == "unknown item"
    assert world.take(other.id) == "class not admitted"
    assert world.take(good.id) is None
    assert world.take(good.id) == "already taken"
    answers = [world.take(item.id) for item in world.instance.items]
    assert "over capacity" in answers
    assert world.weight <= world.instance.capacity
    assert 0 < world.score() <= 1


def test_inspections_are_limited_but_a_second_look_is_free() -> None:
    world = World(generate(EASY, 0))
    answers = [world.inspect(item.id) for item in world.instance.items]
    assert answers.count(None) == world.instance.inspections
    assert answers[-1] == "inspection budget spent"
    assert world.inspect(world.instance.items[0].id) is None


def test_prose_is_about_a_hundred_tokens_and_decided_by_its_key() -> None:
    sizes = [tokens.count(passage(0, "inspect", n)) for n in range(200)]
    assert mean(sizes) == pytest.approx(100, abs=5)
    assert passage(1, "a") == passage(1, "a") != passage(1, "b")


@pytest.mark.parametrize("name", [row.name for row in SUITES.values() if "knapsack" in row.tags])
def test_the_fixed_surface_is_about_3000_tokens_and_holds_no_placeholder(name: str) -> None:
    case = suite(name).make(0)
    surface = tokens.count(case.instructions) + tokens.count_tools([tool.schema for tool in case.tools])
    assert 2_800 <= surface <= 3_200
    assert "$" not in case.instructions + case.task


def test_an_unknown_suite_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ConfigError, match="did you mean knapsack"):
        suite("knapsak")
