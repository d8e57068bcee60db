"""What is kept: records, codec, log, store backends, the embedded server and results."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from satchel.memory.behind import text_of
    from satchel.memory.forks import fork_thread
    from satchel.memory.langgraph_store import RedisStore
    from satchel.memory.log import Log, read_log
    from satchel.memory.memory_store import MemoryStore
    from satchel.memory.open import open_store
    from satchel.memory.portable import export_thread, import_thread
    from satchel.memory.saver import RedisSaver
    from satchel.memory.store import Store, ThreadId

__all__ = [
    "Log",
    "MemoryStore",
    "RedisSaver",
    "RedisStore",
    "Store",
    "ThreadId",
    "export_thread",
    "fork_thread",
    "import_thread",
    "open_store",
    "read_log",
    "text_of",
]

_ROOMS = {
    "Log": "log",
    "MemoryStore": "memory_store",
    "RedisSaver": "saver",
    "RedisStore": "langgraph_store",
    "Store": "store",
    "ThreadId": "store",
    "export_thread": "portable",
    "fork_thread": "forks",
    "import_thread": "portable",
    "open_store": "open",
    "read_log": "log",
    "text_of": "behind",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(import_module(f"satchel.memory.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
