"""What a Redis server or the way to it can answer, as errors of ours; addresses are shown without credentials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from satchel.memory.errors import DamagedEntry, StoreError, StoreUnreachable, StoreUnsafe

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES: Mapping[str, tuple[type[StoreError], str]] = {
    "LOADING": (StoreUnreachable, "is still loading its data; try again in a moment"),
    "READONLY": (StoreUnsafe, "is a read-only replica; give the address of the primary"),
    "OOM": (StoreUnsafe, "has reached its maxmemory and takes no more; raise maxmemory, or remove threads"),
    "MISCONF": (StoreUnsafe, "cannot write to its disk and takes no more; free space there"),
    "NOREPLICAS": (StoreUnsafe, "has too few replicas to take a write; bring them back"),
    "MASTERDOWN": (StoreUnreachable, "is a replica without its primary; give the address of the primary"),
    "CLUSTERDOWN": (StoreUnreachable, "belongs to a cluster that is down; bring it back"),
    "MOVED": (StoreUnreachable, "is one node of a cluster, which is not supported yet; give a server of its own"),
    "NOAUTH": (StoreUnreachable, "asks for a password; give it in the address"),
    "WRONGPASS": (StoreUnreachable, "refuses the user or password of the address; correct them"),
    "NOPERM": (StoreUnreachable, "does not allow this user a command that is needed; widen its ACL"),
    "WRONGTYPE": (DamagedEntry, "holds something else under a key of this thread; remove it, or use another thread"),
}


def public(url: str) -> str:
    """An address without user, password and options."""
    return re.sub(r"://.*@", "://", url, flags=re.DOTALL).partition("?")[0]


def translate(error: BaseException, url: str) -> StoreError:
    """The error of ours for one of redis-py, or of the socket below it; `url` is public."""
    said = f"{getattr(error, 'status_code', None) or ''} {error}"  # in a script's error the code stands in the text
    for code, (kind, sentence) in _CODES.items():
        if re.search(rf"(?<![A-Z]){code}(?![A-Z])", said):
            return kind(f"the store {url} {sentence}")
    name = type(error).__name__
    if name.startswith("Authentication"):
        return StoreUnreachable(f"the store {url} refuses the user or password of the address; correct them")
    if name == "ConnectionError" and error.__cause__ is not None:  # what went wrong while it connected
        return translate(error.__cause__, url)
    if isinstance(error, OSError) or name in ("ConnectionError", "TimeoutError", "InvalidResponse"):
        return StoreUnreachable(f"the store {url} gives no answer; start it, or correct the address")
    return StoreError(f"the store {url} refused a command ({said.strip()[:160]}); this server may not be supported")


def judge(info: Mapping[str, object], url: str) -> list[str]:
    """What a server's INFO says about losing data, one sentence each; `StoreUnsafe` for what must not be used.

    A `volatile-*` policy can evict leases alone, since no other key expires: then a thread may be taken over too early,
    and its first executor is refused. That loses no data, so it is a warning.
    """
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if info.get("role") in {"slave", "replica"}:
        raise StoreUnsafe(f"the store {url} is a read-only replica; give the address of the primary")
    if info.get("maxmemory") and policy.startswith("allkeys"):
        raise StoreUnsafe(f"the store {url} may evict threads (maxmemory-policy {policy}); set it to noeviction")
    warnings = []
    if info.get("maxmemory") and policy != "noeviction":
        warnings.append(f"{url} may evict leases (maxmemory-policy {policy}); noeviction is safer")
    if not info.get("aof_enabled"):
        warnings.append(f"{url} keeps no append-only file: if it ends, writes since its last snapshot are lost")
    return warnings
