"""One task with its world, tools, scripted policy and score: what a trial runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.runtime.models import Policy
    from satchel.runtime.tools import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A task in a world of its own, to be run once.

    `score` reads the world and says how well the task was done, 0..1. `policies` are scripted models by name:
    `expert` plays well, others are fools for the controls; each is a pure function of the prompt. `steps` and
    `tool_calls` are generous budgets.
    """

    id: str
    seed: int
    task: str
    instructions: str
    tools: tuple[Tool, ...]
    policies: Mapping[str, Policy]
    score: Callable[[], float]
    steps: int
    tool_calls: int
    tags: frozenset[str] = field(default_factory=frozenset)
