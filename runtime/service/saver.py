"""Checkpoints as the service keeps them: what a step raised without the secrets that may stand in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from satchel.memory.saver import RedisSaver
from satchel.runtime.service.wire import safe

if TYPE_CHECKING:
    from collections.abc import Sequence


class DiscreetSaver(RedisSaver):
    """A checkpointer that keeps of an exception its type and what may be told of its message."""

    async def aput_writes(
        self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep the writes of a step."""
        told = [(channel, _told(value) if isinstance(value, BaseException) else value) for channel, value in writes]
        await super().aput_writes(config, told, task_id, task_path)


def _told(problem: BaseException) -> str:
    return f"{type(problem).__name__}({safe(str(problem))!r})"
