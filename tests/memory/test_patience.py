"""What a command says when it is given up."""

from __future__ import annotations

import ssl

import pytest
from redis.exceptions import ConnectionError as NoConnection

from satchel.memory.patience import Patient
from satchel.memory.redis_errors import translate


def handshake() -> None:
    """One with a peer that speaks no TLS."""
    heard = ssl.MemoryBIO()
    heard.write(b"-ERR\r\n" * 9)
    ssl.create_default_context().wrap_bio(heard, ssl.MemoryBIO(), server_hostname="host").do_handshake()


async def test_a_refused_certificate_is_told_though_later_tries_only_lose_the_connection() -> None:
    """The server's alert and the end of the connection race: the alert is read once at best."""
    tries = 0

    async def do() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            try:
                handshake()
            except ssl.SSLError as refused:
                raise NoConnection from refused
        raise NoConnection from ConnectionResetError()

    async def fail(_: Exception) -> None:
        """Nothing to mend."""

    with pytest.raises(NoConnection) as told:
        await Patient(()).call_with_retry(do, fail)
    assert tries > 1
    assert "ssl_certfile=FILE" in str(translate(told.value, "rediss://host:1"))
