"""Where a webhook may go: never into the network that the server stands in, unless it is said so (SSRF).

The name is resolved once, all that it leads to is checked, and what was checked is what is called: a name that leads
elsewhere a moment later leads nowhere else.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from satchel.memory.errors import ConfigError
from satchel.runtime.service.faults import wrong

if TYPE_CHECKING:
    from collections.abc import Sequence

    Address = IPv4Address | IPv6Address

SCHEMES = {"http": 80, "https": 443}
"""The schemes, with their ports."""

NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses of IPv6 that stand for one of IPv4, in their last 32 bits (RFC 6052)."""


class Forbidden(Exception):
    """A webhook must not be sent there."""


class Addresses:
    """Checks addresses; `open` names networks that may be reached although they are private.

    Raises `ConfigError` for what is no network.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        try:
            self._open = [ip_network(one) for one in allowed]
        except ValueError as error:
            raise ConfigError(f"webhook_networks: {error}; write 10.1.0.0/16") from None

    def written(self, url: str) -> None:
        """Refuse with 422 what cannot be right, or names a forbidden address outright."""
        try:
            parts = urlsplit(url)
            fits = parts.scheme in SCHEMES and parts.hostname and parts.port != 0
        except ValueError:
            fits, parts = False, urlsplit("")
        if not fits or len(url) > 2_000 or not url.isprintable():  # noqa: PLR2004 - characters, as browsers take
            raise wrong("webhook must be an address that begins with http:// or https://")
        if parts.username is not None or parts.password is not None:
            raise wrong("webhook must not hold a user or a password: it is shown with the run")
        try:
            literal = ip_address(str(parts.hostname))
        except ValueError:
            return
        if not self.fits(literal):
            raise wrong("webhook must not lead into a private network")

    async def pinned(self, url: str) -> str:
        """An address that the host of a URL leads to. Raises `Forbidden` if one of them is; `OSError` for none."""
        parts = urlsplit(url)
        port = parts.port or SCHEMES[parts.scheme]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(str(parts.hostname), port, type=socket.SOCK_STREAM)
        addresses = [ip_address(one[4][0]) for one in found]
        if not addresses or not all(self.fits(one) for one in addresses):
            raise Forbidden("it leads into a private network")
        return str(addresses[0])

    def fits(self, address: Address) -> bool:
        """Whether a webhook may go to an address: one of the whole world's, and so is what it stands for."""
        if any(address in network for network in self._open):
            return True
        if isinstance(address, IPv6Address):
            inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
            if address in NAT64:
                inner = IPv4Address(int(address) & 0xFFFFFFFF)
            if inner is not None:
                return self.fits(inner)
        return address.is_global and not address.is_multicast
