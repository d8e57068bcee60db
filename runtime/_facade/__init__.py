"""Satchel, an agent runtime that packs light: the public names, each loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from satchel.memory.errors import SatchelError
    from satchel.runtime.agent import Agent
    from satchel.runtime.budget import Budget
    from satchel.runtime.tools import tool

__all__ = ["Agent", "Budget", "SatchelError", "tool"]

_HOMES = {
    "Agent": "satchel.runtime.agent",
    "Budget": "satchel.runtime.budget",
    "SatchelError": "satchel.memory.errors",
    "tool": "satchel.runtime.tools",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562), so that `import satchel` itself loads nothing heavy."""
    if name not in _HOMES:
        message = f"module 'satchel' has no attribute {name!r}; its public names are {', '.join(__all__)}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
