"""The walk-through of the service's README, as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.service.conftest import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

README = Path(__file__).parents[2] / "runtime" / "service" / "README.md"
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that the README starts."""
    command = shlex.split(next(code for kind, code in BLOCKS if kind == "bash"))
    assert command[:3] == ["satchel", "serve", "--agent"]
    made = Server(tmp_path_factory.mktemp("walk"), command[3])
    yield made.start()
    made.kill()


def test_each_client_of_the_walk_through_gets_its_answer(walked: Server) -> None:
    clients = [code for kind, code in BLOCKS if kind == "python" and "127.0.0.1:2024" in code]
    assert len(clients) == 2
    for code in clients:
        done = subprocess.run(
            [sys.executable, "-c", code.replace("http://127.0.0.1:2024", walked.url)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Order 17 was delivered." in done.stdout.splitlines()[-1]
