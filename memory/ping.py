"""A few words with a server over its unix socket, without a client library: is it there, and does it answer?"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["dead", "silent", "loading", "ready"]
READY: State = "ready"

_PATIENCE = 1.0
_ANSWER = 4_096


def state(path: Path) -> State:
    """What the server at a socket is doing: none there, no answer within a second, loading its data, or ready."""
    answer = ask(path, "PING")
    if answer is None:
        return "dead"
    if answer.startswith("+PONG"):
        return "ready"
    return "loading" if answer.startswith("-LOADING") else "silent"


def ask(path: Path, command: str) -> str | None:
    """The first line that a server answers; empty if it says nothing, None if there is no server."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(_PATIENCE)
        try:
            wire.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError:
            return ""
        try:
            wire.sendall(command.encode() + b"\r\n")
            return wire.recv(_ANSWER).decode(errors="replace")
        except OSError:
            return ""
