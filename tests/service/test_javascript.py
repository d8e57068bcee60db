"""LangGraph's client for JavaScript and React's useStream, installed by their lock, against a real server process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.service.conftest import Server

SOURCES = Path(__file__).parent / "js"


def run(command: list[str], folder: Path, **more: str) -> str:
    """What a program says; fails with it, if it fails."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **more}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts beside the packages of their lock, whose hashes npm checks; no script of a package runs."""
    assert shutil.which("npm"), "npm is missing: run `bash .ci/run` as root on Debian, or install nodejs and npm"
    folder = tmp_path_factory.mktemp("js") / "js"
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("node_modules"))
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    return folder


@pytest.mark.debian
@pytest.mark.parametrize(("script", "tests"), [("client.test.mjs", 7), ("use_stream.test.mjs", 4)])
def test_a_client_in_javascript_drives_an_agent_of_thirty_turns(
    script: str, tests: int, installed: Path, server: Server
) -> None:
    said = run(
        ["node", "--experimental-websocket", "--test", script],
        installed,
        SERVED_AT=server.url,
        SERVED_IN=str(server.folder),
    )
    assert re.search(rf"^. pass {tests}$", said, re.MULTILINE), said
    assert re.search(r"^. fail 0$", said, re.MULTILINE), said


def test_the_lock_has_a_hash_for_each_package_and_no_address() -> None:
    lock = (SOURCES / "package-lock.json").read_text()
    assert lock.count('"integrity": "sha512-') == len(re.findall(r'^    "node_modules/', lock, re.MULTILINE))
    assert '"resolved"' not in lock
