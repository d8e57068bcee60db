"""Parts of threads that a search picks out: `values.messages[-1].content` under a name of the caller's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from satchel.runtime.service import faults

ROOTS = ("config", "interrupts", "metadata", "values")
RESERVED = {"thread_id", "created_at", "updated_at", "status", "extracted", *ROOTS}

_STEP = re.compile(r"([^.\[\]]+)|\[(-?\d{1,9})\]")
_PATH = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[-?\d{1,9}\])*")


class Extract:
    """The parts that one search asks for. Raises 422 for a name or a path that cannot be one."""

    def __init__(self, asked: Mapping[str, str]) -> None:
        self._paths = {name: _steps(name, path) for name, path in asked.items()}

    @property
    def roots(self) -> set[str]:
        """The fields of a thread that are looked into."""
        return {str(steps[0]) for steps in self._paths.values()}

    def of(self, thread: Mapping[str, Any]) -> dict[str, Any]:
        """The parts of a thread by name; null where there is none."""
        return {name: _walk(thread, steps) for name, steps in self._paths.items()}


def _steps(name: str, path: str) -> list[str | int]:
    if not name.isidentifier() or name in RESERVED:
        raise faults.wrong(
            f"extract: {name!r:.80} cannot be a name; use letters, digits and _, and no field of a thread"
        )
    steps: list[str | int] = [word or int(index) for word, index in _STEP.findall(path)]
    if not _PATH.fullmatch(path) or steps[0] not in ROOTS:
        raise faults.wrong(
            f"extract: {path!r:.80} is no path like values.messages[-1]; it begins with {', '.join(ROOTS)}"
        )
    return steps


def _walk(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return None
            value = value[step]
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value
