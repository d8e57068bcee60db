"""Prompt texts from their files: `{value}` is filled in strictly, and each text has a version made of its content."""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from string import Formatter

from satchel.memory.errors import ConfigError


@cache
def names() -> tuple[str, ...]:
    """The names of all texts, sorted."""
    every = (files("satchel.prompts") / "texts").iterdir()
    return tuple(sorted(file.name.removesuffix(".md") for file in every if file.name.endswith(".md")))


def render(name: str, /, **values: str) -> str:
    """The text `name` with `values` in its places; values are put in as they are and never expanded again.

    Raises `ConfigError` for an unknown text, a missing value and a value that the text has no place for.
    """
    parts = _parts(name)
    wanted = {field for _, field in parts if field is not None}
    for problem, fields in (("needs", wanted - values.keys()), ("has no place for", values.keys() - wanted)):
        if fields:
            raise ConfigError(f"the prompt text {name!r} {problem} {', '.join(sorted(fields))}; render it with "
                              f"{', '.join(sorted(wanted)) or 'no values'}")  # fmt: skip
    return "".join(literal + (values[field] if field is not None else "") for literal, field in parts)


@cache
def version(name: str) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the text, places not filled in."""
    return hashlib.sha256(_text(name).encode()).hexdigest()[:12]


@cache
def _parts(name: str) -> tuple[tuple[str, str | None], ...]:
    parts = tuple((literal, field) for literal, field, _, _ in Formatter().parse(_text(name)))
    if odd := [field for _, field in parts if field is not None and not field.isidentifier()]:
        raise ConfigError(f"the prompt text {name!r} has a place {{{odd[0]}}}; a place is a plain name")
    return parts


@cache
def _text(name: str) -> str:
    if name not in names():
        near = get_close_matches(name, names(), 1)
        raise ConfigError(f"no prompt text {name!r}; " + (f"did you mean {near[0]!r}?" if near else ", ".join(names())))
    return (files("satchel.prompts") / "texts" / f"{name}.md").read_text("utf-8").removesuffix("\n")
