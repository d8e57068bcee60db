"""The walk-through of the service's README, as it stands there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.service.served import served

if TYPE_CHECKING:
    from tests.service.conftest import Server

README = (Path(__file__).parents[2] / "runtime" / "service" / "README.md").read_text()
CLIENTS = [
    code for code in re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) if "127.0.0.1:2024" in code
]


def test_the_walk_through_serves_the_example() -> None:
    command = re.search(r"^satchel serve --agent (\S+):(\S+) --port 2024$", README, re.MULTILINE)
    assert command
    assert getattr(import_module(command[1]), command[2]) is served["agent"]


@pytest.mark.parametrize("code", CLIENTS, ids=["langgraph", "openai"])
def test_a_client_of_the_walk_through_gets_its_answer(
    code: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(code.replace("http://127.0.0.1:2024", server.url), {})  # noqa: S102 - our own README
    assert "Order 17 was delivered." in capsys.readouterr().out.splitlines()[-1]
