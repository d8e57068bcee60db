"""`satchel doctor`: an examination of a store, each finding with what it means for losing data and what to do."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from typing import TYPE_CHECKING

from satchel.memory.embedded import default_home
from satchel.memory.errors import StoreError, StoreUnsafe
from satchel.memory.health import CHECKS, CONFIGS, Facts, Finding
from satchel.memory.open import open_store
from satchel.memory.redis_errors import printable, public
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from satchel.memory.store import Lease, Store

LIMIT = 8.0
"""Seconds after which a store counts as unreachable, and for the examination of one that answers."""

SKEW = 5.0
"""Seconds between two clocks that are worth a word."""

ROOM = 1 << 30
"""Bytes that the embedded server's disk should have free, or as much as its file, which a rewrite writes anew."""


async def examine(url: str | None) -> list[Finding]:
    """Everything about the store at an address (None: the embedded server); `ConfigError` for what is no address.

    A store that cannot be reached is a finding, too. Nothing that is found holds a password.
    """
    shown = "the embedded server" if url is None else f"the store {public(url)}"
    began = time.monotonic()
    try:
        async with asyncio.timeout(LIMIT):
            store = await _opened(url)
    except TimeoutError:
        return [_away(f"{shown} gave no answer in {LIMIT:.0f} s")]
    except StoreError as error:
        return [_away(str(error))]
    found = f"{shown} answered in {(time.monotonic() - began) * 1000:.0f} ms"
    findings = [Finding("reachability", "ok", found, "threads can be read and written")]
    try:
        async with asyncio.timeout(LIMIT):
            if isinstance(store, ServerStore):
                with store.connection.errors():  # whatever its answers are made of
                    findings += await _served(store, url)
            else:
                findings += await _unserved(store)
    except (TimeoutError, StoreError) as error:
        findings.append(_away(str(error) or f"{shown} stopped answering"))
    finally:
        await store.aclose()
    return findings


async def _opened(url: str | None) -> Store:
    try:
        return await open_store(url)
    except StoreUnsafe:
        return ServerStore(str(url))  # its findings say why it is refused


def _away(found: str) -> Finding:
    return Finding("reachability", "unfit", found, "no thread can be read or written; none is lost by that")


async def _unserved(store: Store) -> list[Finding]:
    return [Finding("persistence", "warning", text, "nothing outlives the process", "") for text in await store.check()]


async def _served(store: ServerStore, url: str | None) -> list[Finding]:
    at = store.connection
    findings = [_way(store, url), await _user(store), await _clock(store)]
    infos = await at.each("info")
    configs: dict[str, dict[str, str]] = {name: {} for name in infos}
    for setting in CONFIGS:
        for name, told in (await _allowed(store, setting)).items():
            configs.setdefault(name, {}).update({_text(key): _text(value) for key, value in told.items()})
    for name, info in infos.items():
        facts = Facts(info, configs[name], guarded=url is None)
        findings += [_of(check(facts), name) for check in CHECKS]
    always = all(config.get("appendfsync") == "always" for config in configs.values())
    findings += await _written(store, always=always)
    return [*findings, _disk(infos[store.url])] if url is None else findings


def _of(finding: Finding, name: str) -> Finding:
    return Finding(finding.subject, finding.state, f"{name} {finding.found}", finding.means, finding.todo)


async def _allowed(store: ServerStore, setting: str) -> dict[str, dict[str, str]]:
    """A setting of each server; nothing if this user may not read it, as with most hosted ones."""
    try:
        with store.connection.errors():
            return dict(await store.connection.each("config_get", setting))
    except StoreError:
        return {}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _way(store: ServerStore, url: str | None) -> Finding:
    """Topology and transport."""
    scheme = (url or "unix://").partition("://")[0]
    secret = {"rediss": "TLS", "unix": "a unix socket"}.get(scheme.partition("+")[0], "TCP without TLS")
    means = "what is sent can be read on the way" if "without" in secret else "what is sent cannot be read on the way"
    topology = {"one": "one server", "sentinel": "a primary behind sentinels", "cluster": "a cluster"}
    return Finding("transport", "ok", f"{topology[store.connection.topology]}, over {secret}", means)


async def _user(store: ServerStore) -> Finding:
    try:
        with store.connection.errors():
            name = printable(_text(await store.connection.redis.acl_whoami()))
    except StoreError:
        name = "unknown (it may not ask)"
    return Finding("user", "ok", f"the ACL user is {name}", "least rights: see memory/README.md")


async def _clock(store: ServerStore) -> Finding:
    """Leases and times to live are counted by the server's clock alone, so a skew loses nothing."""
    seconds, micros = await store.connection.redis.time()
    skew = seconds + micros / 1e6 - time.time()
    todo = "set one of the two clocks" if abs(skew) > SKEW else ""
    return Finding("clock", "ok", f"the server's clock is {skew:+.1f} s from ours", "leases rely on its alone", todo)


async def _settled(store: ServerStore, lease: Lease) -> bool | None:
    """What `settle` tells; None if the disk was too slow."""
    try:
        return await store.settle(lease)
    except StoreUnsafe:
        return None


async def _written(store: ServerStore, *, always: bool) -> list[Finding]:
    """A thread of our own is leased, written, settled, read and removed."""
    thread = ThreadId(f"doctor-{secrets.token_hex(4)}", "satchel-doctor")
    try:
        lease = await store.acquire(thread, ttl=LIMIT)
        await store.append(lease, op="probe", expected=0, entries=[b"probe"])
        settled = await _settled(store, lease)
        await store.release(lease)
        await store.delete(thread)
    except StoreError as error:
        return [Finding("lease", "unfit", f"a thread was not leased and written: {error}", "nothing can be kept")]
    findings = [Finding("lease", "ok", "a thread was leased, written and removed", "one writer at a time")]
    if settled is None:
        todo = "set appendfsync everysec, and see whether its disk is well"
        means = "no write tool would be run"
        return [*findings, Finding("intents", "unfit", "write intents do not reach the disk in time", means, todo)]
    if settled or always:
        means = "no write tool runs before its intent would outlive a power cut"
        return [*findings, Finding("intents", "ok", "write intents wait for the disk", means)]
    means = "after a power cut a write may have happened that no log tells of, and be repeated; not if a process dies"
    todo = "run Redis from 7.2 on or Valkey with appendonly yes, allow WAITAOF, or set appendfsync always"
    return [*findings, Finding("intents", "warning", "write intents do not wait for the disk", means, todo)]


def _disk(info: object) -> Finding:
    """Space for the embedded server's files."""
    home = default_home() / "server"
    free = shutil.disk_usage(home).free
    size = int(info.get("aof_current_size") or 0) if isinstance(info, dict) else 0
    found = f"{free / (1 << 30):,.1f} GiB are free in {home}, its file has {size / (1 << 20):,.1f} MiB"
    if free < max(ROOM, size):
        return Finding("disk", "warning", found, "soon it takes no more writes", "free space there")
    return Finding("disk", "ok", found, "there is room, also for a rewrite of the file")
