"""What a Redis server or the way to it can answer, as errors of ours; addresses are shown without credentials."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from satchel.memory.errors import DamagedEntry, StoreError, StoreUnreachable, StoreUnsafe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CODES: Mapping[str, tuple[type[StoreError], str]] = {
    "LOADING": (StoreUnreachable, "is still loading its data; try again in a moment"),
    "BUSY": (StoreUnreachable, "is busy with a script of somebody; try again, or end it with SCRIPT KILL"),
    "READONLY": (StoreUnsafe, "is a read-only replica; give the address of the primary"),
    "OOM": (StoreUnsafe, "has reached its maxmemory and takes no more; raise maxmemory, or remove threads"),
    "MISCONF": (StoreUnsafe, "cannot write to its disk and takes no more; free space there"),
    "NOREPLICAS": (StoreUnsafe, "has too few replicas to take a write; bring them back"),
    "MASTERDOWN": (StoreUnreachable, "is a replica without its primary; give the address of the primary"),
    "CLUSTERDOWN": (StoreUnreachable, "belongs to a cluster that is down; bring it back"),
    "MOVED": (StoreUnreachable, "is one node of a cluster; write redis+cluster:// instead of redis://"),
    "ASK": (StoreUnreachable, "is moving this thread to another node; try again in a moment"),
    "TRYAGAIN": (StoreUnreachable, "is moving this thread to another node; try again in a moment"),
    "TTL exhausted": (StoreUnreachable, "is moving this thread to another node; try again in a moment"),
    "Cluster mode is not enabled": (StoreUnreachable, "is no cluster; write redis:// instead of redis+cluster://"),
    "No master found": (StoreUnreachable, "has no sentinel that knows a living primary of this name; correct the name"),
    "NOAUTH": (StoreUnreachable, "asks for a password; give it in the address"),
    "WRONGPASS": (StoreUnreachable, "refuses the user or password of the address; correct them"),
    "NOPERM": (StoreUnreachable, "does not allow this user a command that is needed; widen its ACL"),
    "DENIED": (StoreUnreachable, "takes nobody from another machine (protected mode); set a password there"),
    "max number of clients": (StoreUnreachable, "has too many clients; raise its maxclients, or end some"),
    "No connection available": (StoreUnreachable, "was asked too much at once by this process; do less at a time"),
    "WRONGTYPE": (DamagedEntry, "holds something else under a key of this thread; remove it, or use another thread"),
}
"""What an answer begins with, or in a script's error holds, as a word; the first that fits counts."""


def public(url: str) -> str:
    """An address without user, password and options."""
    return re.sub(r"://.*@", "://", url, flags=re.DOTALL).partition("?")[0]


def printable(told: object) -> str:
    """What a server says of itself, for a line on a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(told).strip()[:160])


def translate(error: BaseException, url: str) -> StoreError:
    """The error of ours for one of redis-py, or of the socket below it; `url` is public."""
    chain = list(_chain(error))
    for each in chain:
        said = f"{getattr(each, 'status_code', None) or ''} {each}"  # in a script's error the code stands in the text
        for code, (kind, sentence) in _CODES.items():
            if re.search(rf"(?<![A-Z]){code}(?![A-Z])", said):
                return kind(f"the store {url} {sentence}")
    for each in chain:
        if isinstance(each, ssl.SSLError):
            return StoreUnreachable(_untrusted(each, url))
    names = {type(each).__name__ for each in chain}
    if any(name.startswith("Authentication") for name in names):
        return StoreUnreachable(f"the store {url} refuses the user or password of the address; correct them")
    if isinstance(chain[-1], OSError) or names & _SILENT:
        return StoreUnreachable(f"the store {url} gives no answer; start it, or correct the address")
    if type(error).__module__.partition(".")[0] != "redis":
        return StoreUnreachable(f"the store {url} does not answer as Redis or Valkey do; correct the address")
    return StoreError(f"the store {url} refused a command ({printable(error)}); this server may not be supported")


_SILENT = {"ConnectionError", "TimeoutError", "InvalidResponse", "RedisClusterException"}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it comes from: redis-py raises its own for what went wrong while it connected."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _untrusted(error: ssl.SSLError, url: str) -> str:
    """Why there is no encrypted connection, and what to change in the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of the store {url} is not trusted ({error.verify_message}); "
            "name its authority with ?ssl_ca_certs=FILE, and the host as the certificate does"
        )
    return (
        f"the store {url} speaks no TLS with this client ({error.reason or error}); "
        "write redis:// if it has none, and ?ssl_certfile=FILE&ssl_keyfile=FILE if it asks for a certificate"
    )
