"""`satchel serve` lets nobody in by mistake, and `satchel key` tells a key once."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from satchel.memory.errors import ConfigError
from satchel.runtime.service.api_keys import Keys, add, digest_of
from satchel.runtime.service.serving import LOOPBACK, bracketed, door

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Run = Callable[..., CompletedProcess[str]]


def test_a_key_is_printed_once_and_its_file_keeps_the_digest(inside: Run, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    printed = [inside("key", "--tenant", "acme", "--keys", str(path)).stdout.strip() for _ in range(2)]
    lines = path.read_text().splitlines()
    assert [line.split()[1:] for line in lines] == [["acme", f"sha256:{digest_of(key)}"] for key in printed]
    assert "tenant" in inside("key", "--tenant", "a b", "--keys", str(path), code=2).stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org", "10.0.0.1"])  # noqa: S104 - what must be refused
def test_an_address_that_others_reach_needs_authentication(host: str) -> None:
    said: list[str] = []
    with pytest.raises(ConfigError, match="--keys"):
        door(None, host, (), said.append, unprotected=False)
    assert door(None, host, (), said.append, unprotected=True).hosts == ()
    assert "no authentication" in said[0]
    assert door("keys", host, ("https://a.example",), said.append, unprotected=False).origins == ("https://a.example",)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_without_authentication_this_machine_alone_is_answered(host: str) -> None:
    said: list[str] = []
    assert door(None, host, (), said.append, unprotected=False).hosts == LOOPBACK
    assert said == ["no authentication: only programs on this machine are answered"]


def test_a_server_that_cannot_start_says_why_in_a_line(satchel: Run) -> None:
    quiet = ("serve", "--model", "sim:echo")
    told = satchel(*quiet, "--store", "redis://127.0.0.1:1", code=1).stderr
    assert "the store redis://127.0.0.1:1 gives no answer" in told
    assert "Traceback" not in told
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = satchel(*quiet, "--store", "memory://", "--port", str(port), code=2).stderr
    assert f"nothing can listen on 127.0.0.1:{port}" in told
    assert "Traceback" not in told


def test_an_address_of_version_six_stands_in_brackets() -> None:
    assert (bracketed("::1"), bracketed("127.0.0.1"), bracketed("localhost")) == ("[::1]", "127.0.0.1", "localhost")


def test_a_key_is_added_below_the_last_line_and_to_a_file_of_keys_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("# ours")  # without the end of a line, as some editors leave it
    made = [add("acme", path), add("beta", path)]
    path.write_text(path.read_text().rstrip())
    made.append(add("acme", path))
    lines = path.read_text().splitlines()
    assert [line.partition("sha256:")[2] for line in lines] == ["", *map(digest_of, made)]
    Keys(path)
    for other in (b"some notes", b"\xff\xfe"):
        path.write_bytes(other)
        with pytest.raises(ConfigError):
            add("acme", path)
        assert path.read_bytes() == other
