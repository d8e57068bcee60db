"""API keys: each belongs to a tenant; a file keeps their digests, never the keys.

A key is `sk-satchel-ID-SECRET`; its line in the file is `ID TENANT sha256:DIGEST`. The secret has 256 random bits, so
one SHA-256 is as good as a slow hash: those are for secrets that people think of (NIST SP 800-63B, 5.1.1.2 against
5.1.2.2, lookup secrets of 112 bits and more).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from satchel.memory.errors import ConfigError
from satchel.runtime.service.auth import Known, token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import HTTPConnection

PREFIX = "sk-satchel-"

_LINE = re.compile(r"(?P<id>[0-9a-z]{12}) (?P<tenant>\S{1,200}) sha256:(?P<digest>[0-9a-f]{64})")
_NOBODY = "0" * 64

log = logging.getLogger("satchel.service")


class Keys:
    """Who holds which key: the lines of a file, read again when it changes, or the lines themselves.

    A key whose line is taken away is refused from then on; a file that cannot be read lets nobody in. Raises
    `ConfigError` when made from what holds no key.
    """

    def __init__(self, given: str | Path) -> None:
        self._path = Path(given) if _LINE.match(str(given)) is None else None
        self._seen = self._stamp()
        try:
            self._known = _read(self._path.read_text() if self._path else str(given))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the file of keys {given} cannot be read ({type(error).__name__})") from None

    async def __call__(self, request: HTTPConnection) -> Known | None:
        """The holder of the key of a request, or None."""
        given = token(request) or ""
        name = given.removeprefix(PREFIX)[:12]
        tenant, digest = self._current().get(name, ("", _NOBODY))
        same = hmac.compare_digest(digest_of(given), digest)
        return Known(tenant, name) if same and tenant else None

    def _current(self) -> Mapping[str, tuple[str, str]]:
        if self._path is not None and (stamp := self._stamp()) != self._seen:
            self._seen = stamp
            try:
                self._known = _read(self._path.read_text())
            except (OSError, UnicodeDecodeError, ConfigError):
                log.exception("the file of keys cannot be read; nobody is let in until it can")
                self._known = {}
        return self._known

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None


def digest_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def make(tenant: str) -> tuple[str, str]:
    """A new key of a tenant, and its line. Raises `ConfigError`."""
    name = "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(12))
    key = f"{PREFIX}{name}-{secrets.token_urlsafe(32)}"
    line = f"{name} {tenant} sha256:{digest_of(key)}"
    if _LINE.fullmatch(line) is None:
        raise ConfigError(f"{tenant!r:.80} is no tenant's name; write 1 to 200 characters without spaces")
    return key, line


def add(tenant: str, path: Path) -> str:
    """Make a key and put its line into a file, for its owner's eyes if the file is new. The key is told once: here.

    Raises `ConfigError` for a file that holds something else, which is left as it is.
    """
    key, line = make(tenant)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        known = path.read_text() if path.exists() else ""
        _lines(known)
        start = "" if not known or known.endswith("\n") else "\n"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write(f"{start}{line}\n")
    except OSError as error:
        raise ConfigError(f"the file of keys {path} cannot be written ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no file of keys; name another") from None
    return key


def _read(text: str) -> dict[str, tuple[str, str]]:
    found = _lines(text)
    if not found:
        raise ConfigError("there are no keys; make one with `satchel key --tenant NAME --keys FILE`")
    return {match["id"]: (match["tenant"], match["digest"]) for match in found}


def _lines(text: str) -> list[re.Match[str]]:
    lines = [line.strip() for line in re.split(r"[\n;]", text)]
    kept = [line for line in lines if line and not line.startswith("#")]
    found = [_LINE.fullmatch(line) for line in kept]
    for number, match in enumerate(found, 1):
        if match is None:
            raise ConfigError(f"key {number} is not `ID TENANT sha256:DIGEST`; `satchel key` makes such lines")
    return [match for match in found if match]
