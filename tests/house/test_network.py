"""The tests themselves: they reach this machine and nothing beyond it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_foreign_address_is_refused(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(ConnectionRefusedError, match="no network"):
        client.connect((host, 80))


def test_a_foreign_name_is_not_looked_up() -> None:
    with pytest.raises(ConnectionRefusedError, match=r"host\.invalid"):
        socket.getaddrinfo("host.invalid", 80)


def test_this_machine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_the_session_has_a_home_of_its_own(satchel_home: Path) -> None:
    assert os.environ["SATCHEL_HOME"] == str(satchel_home)
    assert "REDIS_URL" not in os.environ
