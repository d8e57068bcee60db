"""What every test gets: a home of its own, no network beyond this machine, and Hypothesis without chance."""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

SETTINGS_OF_THE_USER = ("SATCHEL_", "LANGSMITH_", "LANGCHAIN_", "OTEL_", "REDIS_URL", "NO_COLOR", "FORCE_COLOR")


def _is_local(host: object) -> bool:
    if host in {None, "", "localhost", b"localhost"}:
        return True
    try:
        return ipaddress.ip_address(os.fsdecode(host) if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def _refuse_network(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: a connection or a name lookup that would leave this machine is refused as a dead network would."""
    if event == "socket.connect":
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if not _is_local(host):
        raise ConnectionRefusedError(f"tests have no network beyond this machine, but asked for {host!r}")


sys.addaudithook(_refuse_network)


@pytest.fixture(scope="session", autouse=True)
def satchel_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of this test session; the user's own settings and stores are out of reach."""
    home = tmp_path_factory.mktemp("satchel-home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(SETTINGS_OF_THE_USER)]:
            patch.delenv(name)
        patch.setenv("SATCHEL_HOME", str(home))
        yield home
