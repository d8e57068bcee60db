"""The built-in tool `note`: its patches are checked here, and reduced and shown by `context/notes.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator

from satchel.prompts import render
from satchel.runtime.arguments import Arguments
from satchel.runtime.context.notes import KINDS, LONGEST, NAME, one_line, pair
from satchel.runtime.tools import KEY, Tool

AT_ONCE = 24
"""Lines of one list of a patch."""


def _line(text: str) -> str:
    if not 0 < len(one_line(text)) <= LONGEST:
        raise ValueError(f"give 1 to {LONGEST} characters")
    return text


def _fact(text: str) -> str:
    if not all(pair(text)):
        raise ValueError("give key = value")
    return text


def _few(lines: tuple[str, ...]) -> tuple[str, ...]:
    if len(lines) > AT_ONCE:
        raise ValueError(f"give at most {AT_ONCE} at once")
    return lines


Line = Annotated[str, AfterValidator(_line)]
Lines = Annotated[tuple[Line, ...], AfterValidator(_few)]
Facts = Annotated[tuple[Annotated[Line, AfterValidator(_fact)], ...], AfterValidator(_few)]


def note(
    *,
    facts: Facts = (),
    decisions: Lines = (),
    done: Lines = (),
    to_do: Lines = (),
    open: Lines = (),  # noqa: A002 - the name is what the model sees
    failed: Lines = (),
    drop: Lines = (),
) -> str:
    """What the call answers; the log holds the patch, and the context reads it there. Raises `ValueError` for none."""
    if not any((facts, decisions, done, to_do, open, failed, drop)):
        raise ValueError(f"there is nothing to note; fill one of {', '.join(KINDS)}, drop")
    return render("noted")


LINES = {"type": "array", "items": {"type": "string"}}
"""The schema of each list: its bounds are told when they are exceeded, not in every turn."""

NOTE = Tool(
    name=NAME,
    description=render("note"),
    function=note,
    arguments=replace(
        Arguments.of_function(note, name=NAME, hidden=KEY),
        schema={"type": "object", "properties": dict.fromkeys((*KINDS, "drop"), LINES)},
    ),
    effect="read",
)
"""`note` as a tool of an agent."""
