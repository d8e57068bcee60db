"""The programs that the Debian legs need are installed and start."""

from __future__ import annotations

import shutil
import subprocess

import pytest


@pytest.mark.debian
@pytest.mark.parametrize("program", ["redis-server", "chromium", "hey"])
def test_a_program_of_the_debian_legs_starts(program: str) -> None:
    found = shutil.which(program)
    assert found, f"{program} is missing: run `bash .ci/run` as root on Debian, or install the package {program}"
    words = {"hey": ["-n", "1", "-c", "1", "http://127.0.0.1:1"]}.get(program, ["--version"])  # it has no version
    assert subprocess.run([found, *words], check=True, capture_output=True, text=True).stdout
