"""`langgraph_sdk.Auth`: its `authenticate` says who is there, its `on` handlers what they may do.

Each identity is a tenant of its own, so that a handler that was forgotten opens nothing; users who shall share threads
are given the same `tenant` by `authenticate`, and then the handlers' filters divide what is in it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from langgraph_sdk import Auth

from satchel.memory.errors import ConfigError
from satchel.runtime.service.auth import Known, named
from satchel.runtime.service.faults import Refused

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["Auth", "SdkAuth", "holds"]

log = logging.getLogger("satchel.service")

GIVEN: Mapping[str, Callable[[HTTPConnection], Any]] = {
    "request": lambda request: request,
    "path": lambda request: request.url.path,
    "method": lambda request: request.scope.get("method", "GET"),
    "path_params": lambda request: request.path_params,
    "query_params": lambda request: dict(request.query_params),
    "headers": lambda request: dict(request.headers.raw),
    "authorization": lambda request: request.headers.get("authorization"),
}
"""What `authenticate` may ask for, by the names of its parameters."""


class User(dict[str, Any]):
    """A user as handlers see it: a mapping with the attributes of `Auth.types.BaseUser`."""

    @property
    def identity(self) -> str:
        """Who it is."""
        return str(self["identity"])

    @property
    def display_name(self) -> str:
        """How it is called."""
        return str(self.get("display_name") or self.identity)

    @property
    def is_authenticated(self) -> bool:
        """Whether it is known."""
        return bool(self.get("is_authenticated", True))

    @property
    def permissions(self) -> list[str]:
        """What it may do, in the words of the handlers."""
        return list(self.get("permissions") or ())


class SdkAuth:
    """Authentication and rules of an `Auth`. Raises `ConfigError` if it has no `authenticate`."""

    def __init__(self, auth: Auth) -> None:
        if auth._authenticate_handler is None:  # noqa: SLF001 - the SDK keeps it there for servers
            raise ConfigError("auth has no handler for authentication; decorate one with @auth.authenticate")
        self._auth = auth
        self._find = cast("Callable[..., Any]", auth._authenticate_handler)  # noqa: SLF001 - as above
        asked = inspect.signature(self._find).parameters
        if unknown := set(asked) - set(GIVEN):
            raise ConfigError(f"authenticate asks for {', '.join(sorted(unknown))}; known are {', '.join(GIVEN)}")
        self._asked = {name: GIVEN[name] for name in asked}

    async def __call__(self, request: HTTPConnection) -> Known | None:
        """Ask `authenticate`; what it cannot answer lets nobody in."""
        try:
            found = self._find(**{name: made(request) for name, made in self._asked.items()})
            user = _user(await found if inspect.isawaitable(found) else found)
        except Auth.exceptions.HTTPException as refused:
            raise Refused(refused.status_code, refused.detail, dict(refused.headers or {})) from None
        if not user.is_authenticated:
            return None
        who = named(user.get("tenant") or user.identity)
        return who and Known(who.tenant, user.identity, SdkRules(self._auth, user))


def _user(found: Any) -> User:
    if isinstance(found, str):
        return User(identity=found)
    if isinstance(found, Mapping):
        return User(found)
    known = ("identity", "display_name", "is_authenticated", "permissions", "tenant")
    return User({name: getattr(found, name) for name in known if hasattr(found, name)})


class SdkRules:
    """The `on` handlers, for one user: the most specific one speaks, and where there is none nothing is refused."""

    def __init__(self, auth: Auth, user: User) -> None:
        self._auth = auth
        self._user = user

    async def judge(self, resource: str, action: str, value: dict[str, Any]) -> Mapping[str, Any] | None:
        """Ask the handler."""
        handler = self._handler(resource, action)
        if handler is None:
            return None
        context = Auth.types.AuthContext(
            permissions=self._user.permissions, user=cast("Any", self._user), resource=cast("Any", resource),
            action=cast("Any", action),
        )  # fmt: skip
        try:
            said = await handler(ctx=context, value=value)
        except Auth.exceptions.HTTPException as refused:
            raise Refused(refused.status_code, refused.detail, dict(refused.headers or {})) from None
        if said is None or said is True:
            return None
        if isinstance(said, Mapping):
            return said
        raise Refused(403, "Forbidden")

    def _handler(self, resource: str, action: str) -> Callable[..., Awaitable[Any]] | None:
        for key in ((resource, action), (resource, "*"), ("*", action), ("*", "*")):
            if found := self._auth._handlers.get(key):  # noqa: SLF001 - the SDK keeps them there for servers
                return found[-1]
        return next(iter(self._auth._global_handlers[-1:]), None)  # noqa: SLF001 - as above


def holds(metadata: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether metadata are what a filter wants: each field equal, or with `$contains` one value or all of a list."""
    return all(_fits(metadata.get(name), test) for name, test in (wanted or {}).items())


def _fits(value: Any, test: Any) -> bool:
    if not isinstance(test, Mapping):
        return bool(value == test)
    return all(operator in OPERATORS and OPERATORS[operator](value, given) for operator, given in test.items())


def _contains(value: Any, given: Any) -> bool:
    wanted = given if isinstance(given, list) else [given]
    return isinstance(value, list) and all(one in value for one in wanted)


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, given: bool(value == given),
    "$contains": _contains,
}
"""What a filter may ask; an operator that is not known fits nothing."""
