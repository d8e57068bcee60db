"""One task with its world, tools, scripted policies and score: what a trial runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.evals.graders import Grader
    from satchel.runtime.models import Policy
    from satchel.runtime.tools import Tool


def alone(reply: str) -> str | None:  # noqa: ARG001 - the shape of a simulated user
    """The simulated user who gives a task and says nothing more."""
    return None


def nothing(text: str) -> int:  # noqa: ARG001 - the shape of a check for outdated values
    """The check of a world in which nothing is ever outdated."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A task in a world of its own, to be run once.

    `score` grades the last answer and the world, 0..1. `policies` are scripted models by name: `expert` plays well, the
    others are fools for the controls; each is a pure function of the prompt. `user` is the simulated user: what is said
    to an answer, None when there is no more to say. `stale` counts the values in the text of a prompt that are outdated
    and stand there without the current one. `steps` and `tool_calls` are generous budgets of one run.
    """

    id: str
    seed: int
    task: str
    instructions: str
    tools: tuple[Tool, ...]
    policies: Mapping[str, Policy]
    score: Grader
    steps: int
    tool_calls: int
    tags: frozenset[str] = field(default_factory=frozenset)
    user: Callable[[str], str | None] = alone
    stale: Callable[[str], int] = nothing
