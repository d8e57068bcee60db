"""The arguments of a tool: described to a model as a JSON schema, and checked strictly when a model gives them."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import PydanticUndefined

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from satchel.memory.records import Json

SHOWN = 5
"""Problems that an error text names."""


class BadArguments(Exception):
    """Arguments that do not fit, each named with what was expected."""


class _Plain(GenerateJsonSchema):
    """Schemas without titles and warnings: each token of a schema is paid for in each turn."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - pydantic's declaration

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a tool takes. `schema` is the JSON schema; `takes_key` says that the function wants the idempotency key."""

    schema: dict[str, Json]
    model: type[BaseModel]
    takes_key: bool = False

    @classmethod
    def of_function(cls, function: Callable[..., Any], *, name: str, hidden: str) -> Self:
        """Arguments by the signature of a function, the parameter `hidden` left out. Raises `ConfigError`."""
        fields: dict[str, tuple[Any, Any]] = {}
        signature, hints = _signature(function, name)
        for parameter in signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise ConfigError(f"tool {name!r}: {parameter} cannot be described to a model; name each parameter")
            if parameter.name != hidden:
                default = PydanticUndefined if parameter.default is parameter.empty else parameter.default
                fields[parameter.name] = hints.get(parameter.name, Any), default
        model = _model(name, fields)
        return cls(_schema(model, name), model, hidden in signature.parameters)

    @classmethod
    def of_schema(cls, schema: dict[str, Json], *, name: str) -> Self:
        """Arguments by a JSON schema, as other tool libraries give it; of nested values only the outermost type."""
        required = schema.get("required", ())
        fields = {
            key: (_type(spec), PydanticUndefined if key in required else None)
            for key, spec in (schema.get("properties") or {}).items()
        }
        free = schema.get("additionalProperties") or "properties" not in schema
        return cls(schema, _model(name, fields, extra="allow" if free else "forbid"))

    def check(self, args: Json) -> dict[str, Any]:
        """The arguments as Python values, those that were given. Raises `BadArguments`."""
        if isinstance(args, str):
            raise BadArguments("they are not a JSON object; give an object with a value for each argument")
        try:
            text = json.dumps({} if args is None else args)
            found = self.model.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise BadArguments(self._problems(error)) from None
        except (TypeError, ValueError, RecursionError) as error:
            raise BadArguments(f"they cannot be read as JSON ({type(error).__name__})") from None
        fields = type(found).model_fields
        given = {fields[key].alias or key: getattr(found, key) for key in fields if key in found.model_fields_set}
        return given | (found.model_extra or {})

    def _problems(self, error: ValidationError) -> str:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [self._problem(problem["type"], problem["loc"], problem["msg"]) for problem in found[:SHOWN]]
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        return "; ".join([*lines, *more])

    def _problem(self, kind: str, loc: tuple[int | str, ...], message: str) -> str:
        where = ".".join(map(str, loc))[:100]
        if not loc:
            return f"{message}; give an object with a value for each argument"
        if kind == "extra_forbidden":
            return f"{where}: unknown argument; there are {', '.join(self.schema.get('properties', ())) or 'none'}"
        expected = self._expected(loc[0])
        return f"{where}: missing, expected {expected}" if kind == "missing" else f"{where}: {message} ({expected})"

    def _expected(self, name: int | str) -> str:
        spec = self.schema.get("properties", {}).get(name, {})
        ref = spec.get("$ref", "").removeprefix("#/$defs/")
        return _words(self.schema.get("$defs", {}).get(ref, spec))


def _words(spec: dict[str, Json]) -> str:
    if options := spec.get("enum"):
        return "one of " + ", ".join(map(str, options[:20]))
    if either := spec.get("anyOf"):
        return " or ".join(dict.fromkeys(map(_words, either)))
    kind = spec.get("type", "a value")
    return (
        f"array of {_words(spec['items'])}"
        if kind == "array" and spec.get("items")
        else " or ".join([kind] if isinstance(kind, str) else kind)
    )


def _signature(function: Callable[..., Any], name: str) -> tuple[inspect.Signature, dict[str, Any]]:
    try:
        signature = inspect.signature(function)
        target = inspect.unwrap(getattr(function, "func", function))
        if not inspect.isroutine(target):
            target = type(target).__call__
        return signature, typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, ValueError) as error:
        raise ConfigError(
            f"tool {name!r}: its signature cannot be read ({error}); annotate it with importable types"
        ) from None


def _model(
    name: str, fields: dict[str, tuple[Any, Any]], extra: typing.Literal["forbid", "allow"] = "forbid"
) -> type[BaseModel]:
    """A model whose fields go by alias, so that an argument may have any name."""
    made = {f"arg{n}": (kind, Field(default, alias=key)) for n, (key, (kind, default)) in enumerate(fields.items())}
    try:
        return create_model(name, __config__=ConfigDict(extra=extra, arbitrary_types_allowed=False), **made)  # type: ignore[call-overload, no-any-return]  # fields are data here
    except (PydanticUserError, TypeError, NameError) as error:
        raise ConfigError(f"tool {name!r}: an annotation cannot be checked: {str(error).splitlines()[0]}") from None


def _schema(model: type[BaseModel], name: str) -> dict[str, Json]:
    try:
        schema = model.model_json_schema(schema_generator=_Plain)
    except PydanticUserError as error:
        raise ConfigError(f"tool {name!r}: an annotation has no JSON schema: {str(error).splitlines()[0]}") from None
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("title", None)
    return {"type": "object", "properties": {}, **{k: v for k, v in schema.items() if k not in ("type", "description")}}


_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": None,
}


def _type(spec: Json) -> Any:
    kinds = spec.get("type") if isinstance(spec, dict) else None
    known = [_TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds or []) if kind in _TYPES]
    return typing.Union[tuple(known)] if known else Any  # noqa: UP007 - the members are data
