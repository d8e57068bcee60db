"""What the stores say when they refuse: one sentence for each error, with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId


def busy(thread: ThreadId, holder: str, left: float) -> str:
    """The sentence of `ThreadBusy`; `left` is in seconds."""
    return (
        f"thread {thread.name!r} is held by {holder} for up to {max(left, 0):.1f} s more; "
        "wait for it, or use another thread"
    )


def lost(thread: ThreadId) -> str:
    """The sentence of `LeaseLost` for a token that is not the newest."""
    return (
        f"thread {thread.name!r} was taken over by another executor, the write was refused; resume the thread to go on"
    )


def moved(thread: ThreadId, length: int, expected: int) -> str:
    """The sentence of `LeaseLost` for a log that is not as long as its writer knows."""
    return (
        f"thread {thread.name!r} has {length} entries where its writer knows {expected}, the write was refused; "
        "resume the thread to go on"
    )


_CHECK = "check what the last tool calls did, then resume the thread"


def behind(thread: ThreadId, length: int, expected: int) -> str:
    """The sentence of `StoreUnsafe` for a log whose end the store has lost."""
    return (
        f"the store has lost the end of thread {thread.name!r}, which has {length} entries where its writer wrote "
        f"{expected}, as after a failover to a replica that lagged; {_CHECK}"
    )


def older(thread: ThreadId) -> str:
    """The sentence of `LeaseLost` for a thread that knows nothing of the writer's lease."""
    return (
        f"thread {thread.name!r} was removed, or the store has lost its newest writes, as after a failover to a "
        f"replica that lagged; the write was refused; {_CHECK}"
    )


def unsettled(url: str, seconds: float) -> str:
    """The sentence of `StoreUnsafe` for a disk that is too slow; `url` is public."""
    return (
        f"the disk of the store {url} did not take what was written within {seconds:.0f} s; "
        "see `satchel doctor`, and resume the thread once the disk is well"
    )


def absent(thread: ThreadId) -> str:
    """The sentence of `ThreadNotFound`."""
    return f"there is no thread {thread.name!r} of tenant {thread.tenant!r}; `satchel threads ls` lists them"


def exists(thread: ThreadId) -> str:
    """The sentence of `ThreadExists`."""
    return f"there is a thread {thread.name!r} of tenant {thread.tenant!r} already; choose another name, or remove it"


def foreign(source: ThreadId, target: ThreadId) -> str:
    """The sentence of `ConfigError` for a fork into another tenant."""
    return (
        f"a fork of {source.name!r} cannot leave the tenant {source.tenant!r} for {target.tenant!r}; "
        "fork it there, or export and import it"
    )


def too_long(source: ThreadId, asked: int, length: int) -> str:
    """The sentence of `ConfigError` for a fork that is longer than its source, or empty."""
    return f"thread {source.name!r} has {length} entries, a fork cannot begin with {asked}; choose 1 to {length}"


def hollow(thread: ThreadId) -> str:
    """The sentence of `ConfigError` for a thread without entries."""
    return f"a thread {thread.name!r} of no entries cannot be made; give at least one"
