"""The desk at which Opaque Knapsack is played: manual, task, tools and their names, made into a case."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from math import ceil
from string import Template
from typing import TYPE_CHECKING

from satchel.evals.case import Case
from satchel.evals.catalogue import passage, text
from satchel.evals.graders import state
from satchel.evals.knapsack import Difficulty, Instance, World, generate
from satchel.evals.knapsack_policy import expert, explorer
from satchel.runtime.arguments import Arguments
from satchel.runtime.tools import Tool

if TYPE_CHECKING:
    from satchel.memory.records import Effect, Json

PER_TURN = 5
"""Inspections that the scripted player asks for in one turn."""

STEPS_PER_ITEM, TOOL_CALLS_PER_ITEM = 1.2, 6
"""Generous budgets: a hard case of 100 items takes about 46 turns and 110 calls. With one inspection a turn there are
twice as many steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Every word by which tools, fields and ids could be recognised, so that a control can rename them all."""

    list_items: str = "list_items"
    inspect: str = "inspect"
    take_item: str = "take_item"
    finish: str = "finish"
    item_id: str = "item_id"
    items: str = "items"
    kind: str = "class"
    value: str = "value"
    weight: str = "weight"
    taken: str = "taken"
    error: str = "error"
    finished: str = "finished"
    description: str = "description"
    prefix: str = "item_"

    def words(self) -> dict[str, str]:
        """Each word by the place it stands in."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


ORDINARY = Names()
"""The names of the paper."""


def knapsack(
    seed: int, *, difficulty: Difficulty, verbose: bool, names: Names = ORDINARY, per_turn: int = PER_TURN
) -> Case:
    """The case of a seed. `verbose` answers carry about 100 more tokens each, as those of real tools do."""
    instance = generate(difficulty, seed, prefix=names.prefix)
    return play(instance, difficulty=difficulty, verbose=verbose, names=names, per_turn=per_turn)


def play(
    instance: Instance, *, difficulty: Difficulty, verbose: bool, names: Names = ORDINARY, per_turn: int = PER_TURN
) -> Case:
    """The case of an instance, in a fresh world; `per_turn` inspections are asked for at once."""
    world = World(instance)
    words = names.words() | _figures(difficulty, instance) | {"per_turn": str(per_turn)}
    return Case(
        id=f"knapsack-{difficulty.name}-{'verbose' if verbose else 'bare'}-{instance.seed}",
        seed=instance.seed,
        task=Template(text("knapsack_task")).substitute(words).strip(),
        instructions=Template(text("knapsack_manual")).substitute(words).strip(),
        tools=Desk(world, names, verbose=verbose).tools(),
        policies={"expert": expert(names, per_turn=per_turn), "explorer": explorer(names)},
        score=state(world.score),
        steps=ceil(STEPS_PER_ITEM * len(instance.items) * (2 if per_turn == 1 else 1)),
        tool_calls=TOOL_CALLS_PER_ITEM * len(instance.items),
        tags=frozenset({difficulty.name, "verbose" if verbose else "bare"}),
    )


def _figures(difficulty: Difficulty, instance: Instance) -> dict[str, str]:
    return {
        "capacity": str(instance.capacity),
        "inspections": str(instance.inspections),
        "classes": str(difficulty.classes),
        "last": chr(ord("A") + difficulty.classes - 1),
        "admitted": str(difficulty.admitted),
    }


@dataclass(frozen=True, slots=True)
class Desk:
    """The world behind its four tools."""

    world: World
    names: Names
    verbose: bool

    def tools(self) -> tuple[Tool, ...]:
        """The tools under their names."""
        names = self.names
        return (
            self._tool(names.list_items, "read", "Give the marks of all articles in stock.", self._list),
            self._tool(names.inspect, "read", "Read the class, value and weight of one article.", self._inspect),
            self._tool(names.take_item, "write", "Move one article into the sack, if admitted.", self._take),
            self._tool(names.finish, "write", "Close the sack and end the shift.", self._finish),
        )

    def _tool(self, name: str, effect: Effect, summary: str, answer: Callable[..., Json]) -> Tool:
        """A tool whose name and argument are data, so it is described by a schema rather than by a signature."""
        takes = inspect.signature(answer).parameters
        mark = {"type": "string", "description": "the mark of the article"}
        properties: dict[str, Json] = {self.names.item_id: mark} if takes else {}
        schema: dict[str, Json] = {"type": "object", "properties": properties, "required": list(properties)}

        async def call(**given: str) -> Json:
            return answer(*given.values())

        arguments = Arguments.of_schema(schema, name=name)
        return Tool(name=name, description=summary, function=call, arguments=arguments, effect=effect)

    def _list(self) -> Json:
        marks = [item.id for item in self.world.instance.items]
        return self._with_prose({self.names.items: marks}, "list", "all") if self.verbose else marks

    def _inspect(self, mark: str) -> Json:
        if error := self.world.inspect(mark):
            return self._with_prose({self.names.error: error}, "inspect", mark)
        item = self.world.item(mark)
        assert item  # noqa: S101 - inspected just now
        seen = {self.names.kind: item.kind, self.names.value: item.value, self.names.weight: item.weight}
        return self._with_prose(seen, "inspect", mark)

    def _take(self, mark: str) -> Json:
        error = self.world.take(mark)
        return self._with_prose({self.names.error: error} if error else {self.names.taken: True}, "take", mark)

    def _finish(self) -> Json:
        return {self.names.finished: True}

    def _with_prose(self, answer: dict[str, Json], *key: str) -> Json:
        if not self.verbose:
            return answer
        return {**answer, self.names.description: passage(self.world.instance.seed, *key)}
