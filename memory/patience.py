"""How long a command is tried: again after a lost connection, for half a minute while a server comes back by itself."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError
from redis.exceptions import TimeoutError as NoAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

RETRIES = 4

PATIENCE = 30.0
"""Seconds to wait for what passes by itself: a server that loads its data, sentinels or a cluster that fail over."""

SHORTLY = 1.0
"""Seconds for a server that was given up."""

T = TypeVar("T")

_TRYING: ContextVar[bool] = ContextVar("trying", default=False)


@contextmanager
def anew() -> Iterator[None]:
    """What is asked in here is tried with all patience, also amidst of another try."""
    before = _TRYING.set(False)
    try:
        yield
    finally:
        _TRYING.reset(before)


class Patient(Retry):
    """redis-py's retries, and more of them for `PATIENCE` seconds after an error of those that pass by themselves.

    redis-py connects with retries inside those of the command; there nothing is tried twice, the command alone is. Once
    it has given up, each further command is tried once and shortly, until the server answers: what a run that was
    stopped by it has left to do (its cursor, its lease) would else take as long again, each.
    """

    def __init__(
        self, passing: tuple[type[Exception], ...], retries: int = RETRIES, timeout: float | None = None
    ) -> None:
        """`timeout` seconds for each attempt, as a whole: redis-py's own bounds on each read and write take longer."""
        super().__init__(ExponentialWithJitterBackoff(cap=0.5, base=0.02), retries)
        self._passing = passing
        self._timeout = timeout
        self._seen: tuple[type[Exception], ...] = (*self._supported_errors, *passing)
        self._away = False

    def __deepcopy__(self, _: object) -> Patient:
        """The connections of a client share what is known of its server; redis-py would make a copy for each."""
        return self

    async def call_with_retry(
        self,
        do: Callable[[], Awaitable[T]],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,  # noqa: FBT001, FBT002 - redis-py's signature
    ) -> T:
        """See redis-py."""
        if _TRYING.get():
            return await do()
        trying = _TRYING.set(True)
        until, failures, telling = time.monotonic() + PATIENCE, 0, None
        try:
            while True:
                try:
                    done = await self._once(do)
                except Exception as error:
                    if not isinstance(error, self._seen):
                        raise
                    failures += 1
                    telling = telling or (error if _lasting(error) else None)
                    await (fail(error, failures) if with_failure_count else fail(error))
                    passes = isinstance(error, self._passing) and not _lasting(error)
                    if is_retryable is not None and not is_retryable(error):
                        raise
                    if self._away or time.monotonic() > until or (failures > self._retries and not passes):
                        self._away = True
                        if telling in {None, error}:
                            raise
                        raise error from telling  # a refused certificate may be told once, then be a lost connection
                    await asyncio.sleep(self._backoff.compute(failures))
                else:
                    self._away = False
                    return done
        finally:
            _TRYING.reset(trying)

    async def _once(self, do: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(SHORTLY if self._away else self._timeout):
                return await do()
        except TimeoutError as error:
            raise NoAnswer from error


def _lasting(error: BaseException | None) -> bool:
    """Whether a refused password or certificate, or a server that is no cluster, is behind an error."""
    if error is None:
        return False
    wrong = isinstance(error, (AuthenticationError, ssl.SSLError)) or "Cluster mode is not enabled" in str(error)
    return wrong or _lasting(error.__cause__ or error.__context__)
