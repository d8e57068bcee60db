"""A client whose callers share messages: what they ask while an answer is under way goes out together after it.

A message costs a system call and a wake-up on each side, whatever it holds, so a busy process sends fewer of them. A
command that comes alone goes out at once. All go over one connection that is kept: to take one from redis-py's pool and
put it back is a quarter of a command.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from satchel.memory.patience import anew

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio.connection import Connection

    Command = tuple[tuple[Any, ...], Mapping[str, Any]]
    Asked = tuple[Sequence[Command], asyncio.Future[list[Any]]]

WAITING = frozenset({"XREAD", "WAITAOF"})
"""Commands that wait in the server: each has a connection to itself, so that nobody else waits with it."""

MOST = 64
"""Callers of one message."""


class Gathering(Redis):
    """redis-py's client. A message is tried again as a whole, as each of its commands would be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._line: Connection | None = None
        self._asked: list[Asked] = []
        self._busy = False
        self._sending: asyncio.Task[None] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """See redis-py."""
        if args[0] in WAITING:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py has no types here
        one = [(args, options)]
        (answer,) = await (self.together(one) if self._busy else self._alone(one))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def rest(self) -> None:
        """Close the connections that nobody uses now; the next commands open new ones."""
        if not self._busy:
            await self._leave()
        await self.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's signature
        """See redis-py."""
        await self._leave()
        await super().aclose(close_connection_pool)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's signature
        """See redis-py."""
        return _Gathered(self, transaction=transaction, shard_hint=shard_hint)

    async def together(self, commands: Sequence[Command]) -> list[Any]:
        """The answers of commands that stand side by side in a message, errors among them."""
        loop = asyncio.get_running_loop()
        answers: asyncio.Future[list[Any]] = loop.create_future()
        self._asked.append((commands, answers))
        if not self._busy:
            self._begin(loop)
        return await answers

    async def _alone(self, commands: Sequence[Command]) -> list[Any]:
        """The answers of commands while nothing else is under way; what is asked meanwhile goes out after it."""
        self._busy = True
        try:
            with anew():
                return await self._got(commands)
        finally:
            self._busy = False
            self._asked = [(some, answers) for some, answers in self._asked if not answers.done()]
            if self._asked:
                self._begin(asyncio.get_running_loop())

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._busy = True
        # A context of its own: what the first caller is amidst of is nothing to the others.
        self._sending = loop.create_task(self._send(), name="commands", context=Context())

    async def _send(self) -> None:
        asked: list[Asked] = []
        try:
            while self._asked:
                asked, self._asked = self._asked[:MOST], self._asked[MOST:]
                await self._message(asked)
        finally:
            self._busy, self._sending = False, None
            for _, answers in (*asked, *self._asked):
                answers.cancel()  # the loop ends; those that were answered stay so

    async def _message(self, asked: Sequence[Asked]) -> None:
        """Send what was asked, and tell each what came of it."""
        commands = [command for some, _ in asked for command in some]
        try:
            got = await self._got(commands)
        except Exception as problem:  # noqa: BLE001 - it is for those who asked
            for _, answers in asked:
                if not answers.done():
                    answers.set_exception(problem)
            return
        rest = iter(got)
        for some, answers in asked:
            mine = [next(rest) for _ in some]
            if not answers.done():
                answers.set_result(mine)

    async def _got(self, commands: Sequence[Command]) -> list[Any]:
        if self._line is None:
            self._line = await self.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py has no types here
        line = self._line

        async def ask() -> list[Any]:
            await line.send_packed_command(line.pack_commands([args for args, _ in commands]))
            try:
                return [await self._answer(line, *command, alone=len(commands) == 1) for command in commands]
            except ResponseError:
                raise  # one answer, and it was read
            except BaseException:
                await line.disconnect(nowait=True)  # what is left to be read would pass for the next answers
                raise

        async def hang_up(_: Exception) -> None:
            await line.disconnect()

        return await line.retry.call_with_retry(ask, hang_up)

    async def _answer(self, line: Connection, args: Sequence[Any], options: Mapping[str, Any], *, alone: bool) -> Any:
        try:
            return await self.parse_response(line, args[0], **options)
        except ResponseError as error:
            if alone:
                raise  # it may pass, and the command is tried again
            return error

    async def _leave(self) -> None:
        """Give the connection back to the pool."""
        if self._line is not None:
            line, self._line = self._line, None
            await self.connection_pool.release(line)


class _Gathered(Pipeline):
    """Commands that are sent together; without a transaction among those of others."""

    def __init__(self, client: Gathering, *, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._client = client

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        """See redis-py."""
        stack = list(self.command_stack)
        if not stack or self.is_transaction or any(args[0] in WAITING for args, _ in stack):
            return await super().execute(raise_on_error)
        answers = await self._client.together(stack)
        await self.reset()  # type: ignore[no-untyped-call]  # redis-py has no types here
        if raise_on_error:
            self.raise_first_error(stack, answers)
        return answers
