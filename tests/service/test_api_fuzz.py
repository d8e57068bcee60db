"""A slice of the API fuzzer: the whole campaign is `python -m tests.service.fuzz_api --cases 2000`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from satchel.runtime.service.api_keys import add
from satchel.runtime.service.settings import ServiceSettings
from tests.service.conftest import Server
from tests.service.fuzz_api import FREE, ROOT, call

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.debian
def test_the_api_answers_whatever_it_is_asked_as_its_document_says(tmp_path: Path) -> None:
    key = add("fuzz", tmp_path / "keys")
    server = Server(tmp_path, "fuzzed:served", "--keys", str(tmp_path / "keys"), **FREE).start()
    try:
        cases, code, told = call(server.url, key, seed=0, most=20)
    finally:
        server.kill()
    assert code == 0, told
    assert cases >= 50, told


def test_the_readme_tells_each_setting() -> None:
    text = (ROOT / "runtime" / "service" / "README.md").read_text()
    for name, field in ServiceSettings.model_fields.items():
        default = ", ".join(field.default) if isinstance(field.default, tuple) else field.default
        assert f"| `{name}` | {default} | {field.description} |" in text
