"""Tools in brief: name, first sentence and types of arguments in the prompt, the whole schema when first used.

The list of tools never changes, so the prefix that a provider has cached stays as it is: the first call of a tool is
not run but answered by its schema, which is appended as any result is. Nothing is run on a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from satchel.prompts import render
from satchel.runtime.context import tokens

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.tools import Tool

SCHEMA = "schema"
"""Why a first call did not run, as the log has it."""

LINE = 160
"""Characters of a description's first sentence that are shown."""

SENTENCE = re.compile(r"(?<=[.!?])\s|\n")
"""Where a first sentence ends."""

OPTIONS = 12
"""Values of an `enum` that are shown; a longer one is left to the whole schema."""

WORTH = 16
"""Tokens that leaving something out must save."""

NAMED = frozenset({"properties", "$defs", "definitions"})
"""Keywords of JSON Schema whose value maps names to schemas."""

STRUCTURE = frozenset({"type", "required", "items", "prefixItems", "anyOf", "oneOf", "allOf", "const", "$ref"})
"""Keywords that tell what arguments look like. They stay: some providers let a model give only what is declared."""


def briefs(tools: Iterable[Tool]) -> Mapping[str, Json]:
    """The brief schemas of those tools that have more to say than fits in one, by name."""
    known = {tool.name: tool for tool in tools}
    found = {name: brief(tool.schema) for name, tool in known.items()}
    return {name: short for name, short in found.items() if size(short) + WORTH <= size(known[name].schema)}


def size(schema: Json) -> int:
    """Tokens of one tool's schema."""
    return tokens.count_tools([schema])


def brief(schema: Json) -> Json:
    """A tool's schema by its name, the first sentence of its description, and the structure of its arguments."""
    function = schema["function"]
    first = SENTENCE.split(function["description"].strip(), 1)[0]
    line = first if len(first) <= LINE else first[:LINE].rpartition(" ")[0] + " ..."
    return {
        "type": "function",
        "function": {"name": function["name"], "description": line, "parameters": structure(function["parameters"])},
    }


def structure(schema: Json) -> Json:
    """A JSON schema without descriptions, defaults, bounds and long lists of values."""
    if isinstance(schema, list):
        return [structure(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Json] = {}
    for word, value in schema.items():
        if word in NAMED and isinstance(value, dict):
            out[word] = {name: structure(part) for name, part in value.items()}
        elif word in STRUCTURE or (word == "additionalProperties" and isinstance(value, dict)):
            out[word] = structure(value)
        elif word == "enum" and isinstance(value, list) and len(value) <= OPTIONS:
            out[word] = value
    return out


def whole(tool: Tool) -> str:
    """What the first call of a tool is answered by."""
    function = tool.schema["function"]
    schema = tokens.compact(function["parameters"])
    return render("schema", name=tool.name, description=function["description"].strip(), schema=schema)
