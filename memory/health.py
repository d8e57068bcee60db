"""What a server says of itself, read for what it means for data: one check for each subject, one place to look."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from satchel.memory.errors import StoreUnsafe
from satchel.memory.redis_errors import printable

State = Literal["ok", "warning", "unfit"]
"""Whether data is safe as promised, may be lost beyond that, or the server must not be used at all."""

FULL = 0.8
"""Share of its memory above which a server is said to run out of it."""

LAG = 10
"""Seconds after which a replica is said to lag."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of an examination: what was found, what it means for data, and what to do if anything."""

    subject: str
    state: State
    found: str
    means: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """INFO of one server, its CONFIG as far as the user may read it, and whether a guard of ours syncs its files."""

    info: Mapping[str, Any]
    config: Mapping[str, str]
    guarded: bool = False


def server(facts: Facts) -> Finding:
    """Name, version, and how it runs."""
    info = facts.info
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = printable(info.get("valkey_version") or info.get("redis_version") or "of no version")
    found = f"is {name} {version}, {printable(info.get('redis_mode', 'standalone'))}"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < (6, 2):
        return Finding("server", "warning", found, "nothing is tested before 6.2", "run Redis or Valkey from 6.2 on")
    return Finding("server", "ok", found, "every command that is needed is there")


def role(facts: Facts) -> Finding:
    """A primary, or a replica, which takes no writes."""
    if facts.info.get("role") in {"slave", "replica"}:
        means = "it takes no writes"
        return Finding("role", "unfit", "is a read-only replica", means, "give the address of the primary")
    return Finding("role", "ok", "is a primary", "it takes writes")


def eviction(facts: Facts) -> Finding:
    """A `volatile-*` policy can evict leases alone, since no other key expires: no data is lost by that."""
    policy = printable(facts.info.get("maxmemory_policy", "noeviction"))
    if not _number(facts.info.get("maxmemory")) or policy == "noeviction":
        return Finding("eviction", "ok", f"evicts nothing (maxmemory-policy {policy})", "no thread is dropped")
    if policy.startswith("allkeys"):
        found = f"may evict threads (maxmemory-policy {policy})"
        return Finding("eviction", "unfit", found, "whole threads vanish when memory is short", "set it to noeviction")
    found = f"may evict leases (maxmemory-policy {policy})"
    return Finding("eviction", "warning", found, "a thread may be taken over too early", "noeviction is safer")


def persistence(facts: Facts) -> Finding:
    """What is in a file, and whether the last writes to it went well."""
    info = facts.info
    kinds = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    failed = [kind for kind in kinds if str(info.get(kind, "ok")) != "ok"]
    if failed:
        found, means = f"failed to write its file ({', '.join(failed)})", "what it holds may not outlive it"
        return Finding("persistence", "warning", found, means, "free space on its disk, and read its log")
    if not info.get("aof_enabled"):
        found = "keeps no append-only file"
        means = "if it ends, writes since its last snapshot are lost"
        return Finding("persistence", "warning", found, means, "set appendonly yes")
    return Finding("persistence", "ok", "keeps an append-only file", "what was acknowledged outlives every process")


def fsync(facts: Facts) -> Finding:
    """How soon the file is on the disk."""
    policy = printable(facts.config.get("appendfsync", ""))
    if not policy or not facts.info.get("aof_enabled"):
        means = "a power cut may lose the last seconds, or more"
        todo = "allow this user CONFIG GET to have it read" if facts.info.get("aof_enabled") else ""
        return Finding("fsync", "ok", "does not say how soon its file is on the disk", means, todo)
    if policy == "always":
        return Finding("fsync", "ok", "flushes each write (appendfsync always)", "a power cut loses nothing")
    means = "a power cut loses at most the last two seconds"
    if facts.guarded:
        return Finding("fsync", "ok", f"is flushed each second by its guard (appendfsync {policy})", means)
    if policy == "everysec":
        means += "; if the server is killed while its disk is slow, they are lost, too"
        return Finding("fsync", "ok", "flushes each second (appendfsync everysec)", means)
    means = "a power cut may lose half a minute or more"
    todo = "set appendfsync everysec or always"
    return Finding("fsync", "warning", f"leaves flushing to the system (appendfsync {policy})", means, todo)


def memory(facts: Facts) -> Finding:
    """Headroom: below maxmemory, or else below what the machine has."""
    used = _number(facts.info.get("used_memory"))
    most = _number(facts.info.get("maxmemory")) or _number(facts.info.get("total_system_memory"))
    if not most:
        return Finding("memory", "ok", f"uses {_mib(used)}", "it does not say how much there is")
    found = f"uses {_mib(used)} of {_mib(most)} ({used / most:.0%})"
    if used > FULL * most:
        means = "soon it takes no more writes, or is ended by the system"
        return Finding("memory", "warning", found, means, "remove threads, or give it more memory")
    return Finding("memory", "ok", found, "there is room")


def replicas(facts: Facts) -> Finding:
    """Who else has the data, and how late."""
    info = facts.info
    known = [one for name, one in info.items() if re.fullmatch(r"slave\d+", name) and isinstance(one, dict)]
    if not known:
        return Finding("replicas", "ok", "has no replica", "its disk is the only copy")
    late = [one for one in known if one.get("state") != "online" or _number(one.get("lag")) > LAG]
    least = printable(facts.config.get("min-replicas-to-write", "unknown"))
    found = f"has {len(known)} replicas, {len(late)} of them late (min-replicas-to-write {least})"
    means = "a failover loses acknowledged writes that no replica had yet; a live writer is told"
    if late:
        return Finding("replicas", "warning", found, means, "look at the link to the late ones")
    return Finding("replicas", "ok", found, means)


CHECKS: tuple[Callable[[Facts], Finding], ...] = (
    server, role, eviction, persistence, fsync, memory, replicas,
)  # fmt: skip
"""All that `satchel doctor` says of each server that takes writes; a new check is a function here."""

CONFIGS = ("appendfsync", "min-replicas-to-write")
"""Settings that no INFO tells."""


def judge(info: Mapping[str, Any], url: str) -> list[str]:
    """What a server's INFO says about losing data, one sentence each; `StoreUnsafe` for what must not be used."""
    findings = [check(Facts(info, {})) for check in (role, eviction, persistence)]
    for one in findings:
        if one.state == "unfit":
            raise StoreUnsafe(f"the store {url} {one.found}; {one.todo}")
    return [f"{url} {one.found}: {one.means}; {one.todo}" for one in findings if one.state == "warning"]


def _number(told: object) -> int:
    """A number that a server tells, 0 if it is none."""
    return max(0, int(told)) if isinstance(told, (int, float)) and told < math.inf else 0


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
