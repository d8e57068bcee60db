"""The names of a thread's keys: ids percent-encoded, so that two ids never share one; a thread in one hash slot."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId


def keys(thread: ThreadId) -> tuple[str, str, str]:
    """The log, the lease (the only key that expires), and LangGraph's cursor."""
    base = f"satchel:{{{_quoted(thread.tenant)}:{_quoted(thread.name)}}}"
    return f"{base}:log", f"{base}:lease", f"{base}:cur"


def index(tenant: str) -> str:
    """The set of a tenant's threads: in its own slot, written after a thread's first commit and on each acquire."""
    return f"satchel:{{{_quoted(tenant)}}}:threads"


def member(thread: ThreadId) -> tuple[str, str]:
    """The index that lists a thread, and how."""
    return index(thread.tenant), _quoted(thread.name)


def fields_key(thread: ThreadId) -> str:
    """The hash of a thread's fields: LangGraph's checkpoints."""
    return f"satchel:{{{_quoted(thread.tenant)}:{_quoted(thread.name)}}}:fields"


def index_of_fields(tenant: str) -> str:
    """The set of a tenant's threads that have fields: in its own slot, written before their first change."""
    return f"satchel:{{{_quoted(tenant)}}}:fields"


def fields_member(thread: ThreadId) -> tuple[str, str]:
    """The index that lists a thread with fields, and how."""
    return index_of_fields(thread.tenant), _quoted(thread.name)


def forks_key(thread: ThreadId) -> str:
    """The set of the threads that share entries with a thread."""
    return f"satchel:{{{_quoted(thread.tenant)}:{_quoted(thread.name)}}}:forks"


def due_key(tenant: str) -> str:
    """When a tenant's threads may be due (milliseconds since 1970): a hint, the thread itself knows."""
    return f"satchel:{{{_quoted(tenant)}}}:due"


def listed(thread: ThreadId) -> str:
    """How a thread is listed."""
    return _quoted(thread.name)


def named(listed: bytes) -> str:
    """The thread's name from how it is listed."""
    return unquote(listed.decode(), errors="surrogatepass")


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
