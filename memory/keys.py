"""The names of a thread's keys: ids percent-encoded, so that two ids never share one; a thread in one hash slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId


def keys(thread: ThreadId) -> tuple[str, str, str]:
    """The log, the lease (the only key that expires), and LangGraph's cursor."""
    base = _base(thread)
    return f"{base}:log", f"{base}:lease", f"{base}:cur"


def index(tenant: str) -> str:
    """The set of a tenant's threads: in its own slot, written after a thread's first commit and on each acquire."""
    return f"satchel:{{{_quoted(tenant)}}}:threads"


def member(thread: ThreadId) -> tuple[str, str]:
    """The index that lists a thread, and how."""
    return index(thread.tenant), _quoted(thread.name)


def fields_key(thread: ThreadId) -> str:
    """The hash of a thread's fields: LangGraph's checkpoints."""
    return f"{_base(thread)}:fields"


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


def rate_key(tenant: str, name: str) -> str:
    """When a caller of a tenant has used up what it took in advance, in milliseconds since 1970; it expires then."""
    return f"satchel:{{{_quoted(tenant)}}}:rate:{_quoted(name)}"


def deliveries_key(tenant: str) -> str:
    """The hash of what a tenant's runs have to tell somebody outside."""
    return f"satchel:{{{_quoted(tenant)}}}:deliveries"


DELIVERIES = "satchel:{deliveries}:due"
"""The sorted set of what has to be told, of all tenants, by when it may be tried, in milliseconds since 1970."""


def crons_key(tenant: str) -> str:
    """The hash of a tenant's crons: in the slot of all crons, so that one script changes it and `CRONS`."""
    return f"satchel:{{crons}}:{_quoted(tenant)}"


CRONS = "satchel:{crons}::due"
"""The sorted set of crons, of all tenants, by when they are due, in milliseconds since 1970. No tenant is named so."""


def cron_member(tenant: str, cron: str) -> str:
    """A cron of any tenant, as `CRONS` lists it."""
    return f"{_quoted(tenant)}:{_quoted(cron)}"


def cron_of(listed: bytes) -> tuple[str, str]:
    """The tenant and the id of a cron from how `CRONS` lists it."""
    tenant, _, cron = listed.partition(b":")
    return named(tenant), named(cron)


def listed(thread: ThreadId) -> str:
    """How a thread is listed."""
    return _quoted(thread.name)


@dataclass(frozen=True, slots=True)
class RunKeys:
    """The keys of a thread's runs: all in the thread's slot; `hold` and the streams of ended runs expire."""

    runs: str
    q: str
    all: str
    fence: str
    hold: str

    @classmethod
    def of(cls, thread: ThreadId) -> RunKeys:
        """Those of a thread."""
        base = _base(thread)
        return cls(f"{base}:runs", f"{base}:q", f"{base}:all", f"{base}:fence", f"{base}:hold")


def stream_key(thread: ThreadId, run: str) -> str:
    """The stream of a run's events."""
    return f"{_base(thread)}:run:{_quoted(run)}:ev"


def index_of_service(tenant: str) -> str:
    """The sorted set of a tenant's threads that a service keeps, by when they were changed last, in milliseconds."""
    return f"satchel:{{{_quoted(tenant)}}}:service"


def index_of_runs(tenant: str) -> str:
    """The hash from a tenant's runs to their threads."""
    return f"satchel:{{{_quoted(tenant)}}}:runs"


BUSY = "satchel:{runs}:busy"
"""The sorted set of threads, of all tenants, that may hold runs to execute, by when that was last said."""


def address(thread: ThreadId) -> str:
    """A thread of any tenant, as `BUSY` lists it."""
    return f"{_quoted(thread.tenant)}:{_quoted(thread.name)}"


def addressed(listed: bytes) -> tuple[str, str]:
    """The name and the tenant of a thread from how `BUSY` lists it."""
    tenant, _, name = listed.partition(b":")
    return named(name), named(tenant)


def named(listed: bytes) -> str:
    """The thread's name from how it is listed."""
    return unquote(listed.decode(), errors="surrogatepass")


def _base(thread: ThreadId) -> str:
    return f"satchel:{{{_quoted(thread.tenant)}:{_quoted(thread.name)}}}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
