"""Keys of encryption at rest: from the environment to what seals and opens the bytes of one thread.

A sealed value is 0xC1, version (1) x 16 + form 12 (two bits away from every other), the id of its key (4 bytes), and
AES-256-SIV (RFC 5297) of the bytes: 22 more than those. SIV has no nonce to choose: the same bytes in the same place
are sealed alike, so a command that is sent again stays the same command, and nothing else can be seen to be equal.
Every thread has a key of its own, derived from the key given (HKDF with SHA-256, RFC 5869), and the place of a value is
authenticated with it, so no value opens in another place or thread.
"""

from __future__ import annotations

import base64
import os
import re
from collections import OrderedDict
from typing import TYPE_CHECKING

from satchel.memory.errors import ConfigError, DamagedEntry, WrongKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

VARIABLE = "SATCHEL_KEY"
"""Where keys come from: 32 bytes in base64 or hexadecimal; several, separated by commas: the first seals, all open."""

SIZE = 32
"""Bytes of a key."""

HEADER = b"\xc1\x1c"
"""How everything sealed begins."""

MOST = 256
"""Threads whose keys are at hand at once."""

_ID = 4
LEAST = len(HEADER) + _ID + 16
"""Bytes of a sealed nothing."""

_HEX = re.compile(r"[0-9a-fA-F]{64}")


class Keyring:
    """Keys that open, of which the first seals. Shows nothing of them."""

    def __init__(self, keys: list[bytes]) -> None:
        self._derive = _deriver()
        self._keys = {self._derive(key, b"satchel key id", _ID): key for key in keys}
        self._seals = next(iter(self._keys))
        self._ready: OrderedDict[tuple[bytes, bytes], Locks] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)}>"

    def seal(self, scope: bytes, place: bytes, plain: bytes) -> bytes:
        """Bytes for a place in a scope, such as an entry of a thread."""
        head = HEADER + self._seals
        return head + self._locks(self._seals, scope).siv.encrypt(plain, [head, place])

    def open(self, scope: bytes, place: bytes, data: bytes, what: str) -> bytes:
        """What was sealed; bytes that are not sealed as they are. `WrongKey`, `DamagedEntry`, naming `what`."""
        if data[: len(HEADER)] != HEADER:
            return data
        head, key = data[: len(HEADER) + _ID], data[len(HEADER) : len(HEADER) + _ID]
        if key not in self._keys:
            known = ", ".join(id_.hex() for id_ in self._keys)
            raise WrongKey(
                f"{what} is encrypted with the key {key.hex()}, and {VARIABLE} holds {known}; put the right key there "
                "(behind the new one, after a comma, if it was changed)"
            )
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra, loaded by those who use it

        try:
            return self._locks(key, scope).siv.decrypt(data[len(head) :], [head, place])
        except (InvalidTag, ValueError):
            raise DamagedEntry(
                f"{what} is damaged, or was moved here from another place; restore the store, or remove the thread"
            ) from None

    def names(self, scope: bytes, block: bytes) -> list[bytes]:
        """16 bytes, such as a digest, as names under each key that say nothing of them, the first for writing."""
        return [key + self._locks(key, scope).names.encryptor().update(block) for key in self._keys]

    def named(self, scope: bytes, name: bytes) -> bytes | None:
        """What one of `names` was given; None for a key that is not at hand."""
        key, block = name[:_ID], name[_ID:]
        return self._locks(key, scope).names.decryptor().update(block) if key in self._keys else None

    def _locks(self, key: bytes, scope: bytes) -> Locks:
        found = self._ready.pop((key, scope), None) or Locks(self._derive(self._keys[key], b"satchel " + scope, 96))
        self._ready[key, scope] = found
        if len(self._ready) > MOST:
            self._ready.popitem(last=False)
        return found


class Locks:
    """The ciphers of one scope, from 96 bytes: 64 for values (AES-256-SIV), 32 for names (AES-256)."""

    def __init__(self, material: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 - as above

        self.siv: AESSIV = AESSIV(material[:64])
        self.names: Cipher[modes.ECB] = Cipher(algorithms.AES(material[64:]), modes.ECB())  # noqa: S305 - one block


def is_sealed(data: bytes) -> bool:
    """Whether bytes are sealed. Nothing else that we keep begins so."""
    return data[: len(HEADER)] == HEADER and len(data) >= LEAST


def refuse(data: bytes, what: str) -> None:
    """Raise `WrongKey` for bytes that are still sealed where a reader expects them open."""
    if is_sealed(data):
        raise WrongKey(f"{what} is encrypted and no key was given; set {VARIABLE} to the key it was written with")


def from_environment(environment: Mapping[str, str] = os.environ) -> Keyring | None:
    """The keys of `SATCHEL_KEY`; None if it is not set. `ConfigError`, which does not show it, for what is no key."""
    given = environment.get(VARIABLE, "").strip()
    return Keyring([_key(part.strip(), n) for n, part in enumerate(given.split(","), 1)]) if given else None


def _key(text: str, number: int) -> bytes:
    try:
        key = bytes.fromhex(text) if _HEX.fullmatch(text) else base64.b64decode(text.translate(_URL), validate=True)
    except ValueError:
        key = b""
    if len(key) != SIZE:
        raise ConfigError(
            f"key {number} of {VARIABLE} is not {SIZE} bytes in base64 or hexadecimal; make one with "
            "`openssl rand -base64 32`"
        )
    return key


_URL = str.maketrans("-_", "+/")


def _deriver() -> Callable[[bytes, bytes, int], bytes]:
    try:
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ConfigError(
            f"{VARIABLE} is set and `cryptography` is missing: pip install satchel[encryption]"
        ) from error
    return lambda key, info, size: HKDFExpand(SHA256(), size, info).derive(key)
