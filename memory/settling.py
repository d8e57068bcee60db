"""How a writer knows that what it has written is on the disk, so that a power cut would not lose it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from satchel.memory import scripts
from satchel.memory.errors import LeaseLost, StoreUnsafe
from satchel.memory.keys import keys
from satchel.memory.sentences import lost, unsettled

if TYPE_CHECKING:
    from satchel.memory.connection import Connection
    from satchel.memory.embedded import EmbeddedServer
    from satchel.memory.store import Lease

PATIENCE = 4.0
"""Seconds that the disk may take; less than the time for an answer."""


async def settle(connection: Connection, lease: Lease) -> bool:
    """Wait for the server's disk with WAITAOF, on the connection of a write that comes after all others.

    False if it cannot tell. Raises `LeaseLost`, `StoreUnsafe`.
    """
    key = keys(lease.thread)[0]
    with connection.errors():
        held, synced = await connection.together(
            key, ("EVAL", scripts.SETTLE, 1, key, lease.token), ("WAITAOF", 1, 0, round(PATIENCE * 1000))
        )
        if isinstance(held, Exception):
            raise held
    if not held:
        raise LeaseLost(lost(lease.thread))
    if isinstance(synced, Exception):
        return False  # it knows no WAITAOF, keeps no append-only file, or does not allow it
    if not synced[0]:
        raise StoreUnsafe(unsettled(connection.url, PATIENCE))
    return True


async def settle_here(connection: Connection, server: EmbeddedServer, lease: Lease) -> bool:
    """Sync the files of an embedded server, which has written to them whatever it has answered.

    Unless it could not: then it refuses every write, so also the one that is sent first. Raises as `settle` does.
    """
    with connection.errors():
        held = await connection.script(scripts.SETTLE)(keys(lease.thread)[:1], (lease.token,))
    if not held:
        raise LeaseLost(lost(lease.thread))
    try:
        async with asyncio.timeout(PATIENCE):
            await server.settle()
    except (OSError, TimeoutError) as error:
        raise StoreUnsafe(unsettled(connection.url, PATIENCE)) from error
    return True
