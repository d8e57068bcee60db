"""The one tree of Satchel's errors: each names the thing that is wrong and the way out.

SatchelError
├── ConfigError            a wrong name, value or combination; raised when an object is built
│   └── PromptTooLarge     system text and tool schemas alone do not fit under the ceiling
├── StoreError             the store cannot keep its promise
│   ├── StoreUnreachable   no answer, or no server could be started
│   ├── StoreUnsafe        it answers, but may lose data (an eviction policy, a read-only replica, a full disk)
│   ├── DamagedEntry       bytes that are not what we wrote
│   ├── WrongKey           encrypted data, and no key at hand that opens it
│   ├── ThreadBusy         another executor holds the thread's lease
│   ├── LeaseLost          our lease was taken over; the write was refused
│   ├── ThreadNotFound     no such thread
│   └── ThreadExists       a new thread was to have the name of one that is there
├── UnknownHandle          a handle that does not resolve in this thread
├── ModelError             the model could not be called, or its answer could not be read
│   ├── ModelBusy          no answer now: a rate limit, an overload, a lost connection; trying again may help
│   └── PromptTooLong      the provider refused the prompt as too long for the model
├── BudgetExceeded         only with on_budget="raise"; carries the result
├── TraceError             a malformed line of a trace file, with file and line number
└── CassetteError          a recording of model calls that is malformed, or that lacks the request that was made
"""

from __future__ import annotations


class SatchelError(Exception):
    """Root of every error that Satchel raises on purpose."""


class ConfigError(SatchelError):
    """A wrong name, value or combination of settings."""


class PromptTooLarge(ConfigError):
    """What cannot be left out of a prompt does not fit under its ceiling."""


class StoreError(SatchelError):
    """The store cannot keep its promise."""


class StoreUnreachable(StoreError):
    """The store gives no answer, or no server could be started."""


class StoreUnsafe(StoreError):
    """The store answers but would lose data."""


class DamagedEntry(StoreError):
    """Bytes that are not what we wrote: truncated, altered, or somebody else's."""


class WrongKey(StoreError):
    """Data is encrypted, and no key at hand opens it."""


class ThreadBusy(StoreError):
    """Another executor holds the thread's lease."""


class LeaseLost(StoreError):
    """The lease was taken over by another executor; the write was refused."""


class ThreadNotFound(StoreError):
    """The store holds no such thread."""


class ThreadExists(StoreError):
    """A new thread was to have the name of one that is there."""


class UnknownHandle(SatchelError):
    """A handle that does not resolve in this thread."""


class ModelError(SatchelError):
    """The model could not be called, or its answer could not be read."""


class ModelBusy(ModelError):
    """The model gave no answer now; another try may succeed.

    `after` is how many seconds the provider asks to wait, if it says so; `billed` says that it may bill the input.
    """

    def __init__(self, message: str, *, after: float | None = None, billed: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.billed = billed


class PromptTooLong(ModelError):
    """The provider refused the prompt as too long: it counted `sent` tokens where `limit` are allowed, if it tells."""

    def __init__(self, message: str, *, sent: int | None = None, limit: int | None = None) -> None:
        super().__init__(message)
        self.sent = sent
        self.limit = limit


class BudgetExceeded(SatchelError):
    """A budget stopped the run and `on_budget="raise"` was asked for; `result` holds what was found."""

    def __init__(self, message: str, result: object = None) -> None:
        super().__init__(message)
        self.result = result


class TraceError(SatchelError):
    """A malformed line of a trace file."""


class CassetteError(SatchelError):
    """A recording of model calls is malformed, or does not hold the request that was made."""
