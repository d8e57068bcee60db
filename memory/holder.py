"""Who holds a lease: enough about a process to tell, on the same machine, that it is dead."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_STATE, _START = 0, 19
"""Positions in /proc/PID/stat after the command's closing bracket (proc(5): fields 3 and 22)."""


HELD: set[str] = set()
"""The nonces of the leases that this process asked for and has not given up, whether or not a server knows that."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: `machine` is its boot and pid namespace, `start` tells it from a later one with the same number."""

    machine: str
    pid: int
    start: str
    host: str

    @classmethod
    def here(cls) -> Holder:
        """This process."""
        return _here(os.getpid())

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """A holder from its text; None if it is not one of ours."""
        machine, pid, start, host = (text.split("\t") + [""] * 4)[:4]
        return cls(machine, int(pid), start, host) if pid.isascii() and pid.isdigit() else None

    def text(self) -> str:
        """One line that `parse` reads."""
        return f"{self.machine}\t{self.pid}\t{self.start}\t{self.host}"

    def dead(self) -> bool:
        """Whether it certainly lives no more: it ran here, and is gone or was replaced by another process."""
        return bool(self.machine) and self.machine == _machine() and _start(self.pid) not in (self.start, None)

    def __str__(self) -> str:
        where = "this machine" if self.machine == _machine() else self.host or "another machine"
        return "this process" if self == Holder.here() else f"process {self.pid} on {where}"


def nonce_of(token: str) -> str:
    """What tells a lease's token from all others."""
    return token.partition("-")[2]


def owner(held: bytes) -> str:
    """Who holds a lease, from what stands in it: token, tab, holder."""
    known = Holder.parse(held.decode(errors="replace").partition("\t")[2])
    return str(known or "another executor")


def replaceable(held: bytes) -> str | None:
    """The token of a lease whose holder certainly lives no more, or is this process and has given it up."""
    token, _, holder = held.decode(errors="replace").partition("\t")
    known = Holder.parse(holder)
    if known == Holder.here():
        return None if nonce_of(token) in HELD else token
    return token if known is not None and known.dead() else None


@cache
def _here(pid: int) -> Holder:
    return Holder(_machine(), pid, _start(pid) or "", platform.node())


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return _ask("sysctl", "-n", "kern.bootsessionuuid") or ""


def _start(pid: int) -> str | None:
    """When a process started, in the system's own unit; empty if it is gone, None if that cannot be told."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except (PermissionError, OverflowError):
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _ask("ps", "-o", "lstart=", "-p", str(pid))
    return "" if stat[_STATE] in "ZX" else stat[_START]


def _ask(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
