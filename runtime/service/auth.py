"""Who is there: the port of authentication, and its kinds from "everybody" to `langgraph_sdk.Auth`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

NOBODY = "nobody "
"""A tenant that nobody can be."""

LONGEST = 200
"""Characters of a tenant's name."""


class Rules(Protocol):
    """What somebody may do."""

    async def judge(self, resource: str, action: str, value: dict[str, Any]) -> Mapping[str, Any] | None:
        """What metadata must say of what is touched (None: whatever they say); `value` may be changed.

        Raises `Refused`.
        """


@dataclass(frozen=True, slots=True)
class Known:
    """Who sent a request: the tenant that it belongs to, and rules beside that a tenant sees its own alone.

    Requests are counted under `name`; empty: they are not.
    """

    tenant: str
    name: str
    rules: Rules | None = None


class Authentication(Protocol):
    """Says who sent a request, or None: then it is refused with 401. Raises `Refused`."""

    async def __call__(self, request: HTTPConnection) -> Known | None: ...  # noqa: D102 - as above


async def everybody(request: HTTPConnection) -> Known | None:  # noqa: ARG001 - the port names it
    """No authentication: everybody is the default tenant."""
    return Known("default", "")


class Bearer:
    """A function from a token to its tenant, or None; a coroutine function, for it may ask somebody else."""

    def __init__(self, find: Callable[[str], Awaitable[str | None]]) -> None:
        self._find = find

    async def __call__(self, request: HTTPConnection) -> Known | None:
        """Ask, if there is a token."""
        given = token(request)
        return named(await self._find(given)) if given else None


def named(tenant: object) -> Known | None:
    """Somebody of a tenant; nobody for what is no name of one."""
    fits = isinstance(tenant, str) and 0 < len(tenant) <= LONGEST and tenant != NOBODY
    return Known(str(tenant), str(tenant)) if fits else None


def token(request: HTTPConnection) -> str | None:
    """The key or token of a request: `x-api-key`, as langgraph-sdk sends it, or `Authorization: Bearer`."""
    if key := request.headers.get("x-api-key"):
        return str(key)
    scheme, _, rest = str(request.headers.get("authorization", "")).partition(" ")
    return rest.strip() or None if scheme.lower() == "bearer" else None


def authentication(given: object) -> Authentication:
    """Authentication from what `app` was given: nothing, a file of keys, `langgraph_sdk.Auth`, or a function.

    Raises `ConfigError` for anything else.
    """
    from satchel.runtime.service.api_keys import Keys  # noqa: PLC0415 - as above
    from satchel.runtime.service.auth_sdk import Auth, SdkAuth  # noqa: PLC0415 - they use what stands above

    kinds: list[tuple[Any, Callable[[Any], Authentication]]] = [
        (type(None), lambda _: everybody),
        ((str, Path), Keys),
        (Keys, lambda keys: keys),
        (Auth, SdkAuth),
        (Callable, Bearer),
    ]
    for kind, made in kinds:
        if isinstance(given, kind):
            return made(given)
    raise ConfigError(f"auth={given!r:.80} is no file of keys, no langgraph_sdk.Auth and no coroutine function")
