"""The image and the compose file keep step with the Makefile, the project and the README."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

Steps = dict[str, list[str]]
"""The instructions of the Dockerfile by their first word."""


@pytest.fixture
def steps(root: Path) -> Steps:
    found: Steps = {}
    for word, what in re.findall(r"^([A-Z]+) (.*)$", (root / "Dockerfile").read_text(), re.MULTILINE):
        found.setdefault(word, []).append(what)
    return found


def moved(text: str, below: Path) -> str:
    """What a step says, with the image's folder below another one."""
    return re.sub(r"(?<![\w/])/satchel\b", str(below / "satchel"), text)


def test_the_compose_file_starts_what_the_image_holds(steps: Steps, root: Path, project: dict[str, Any]) -> None:
    compose = yaml.safe_load((root / "compose.yaml").read_text())
    satchel, store = compose["services"]["satchel"], compose["services"]["store"]
    assert satchel["build"] == "."
    assert satchel["environment"]["SATCHEL_STORE"] == "redis://store:6379"
    assert satchel["depends_on"]["store"]["condition"] == "service_healthy"
    assert store["command"][-2:] == ["--maxmemory-policy", "noeviction"], "a store that evicts loses threads"
    assert [port.rpartition(":")[2] for port in satchel["ports"]] == steps["EXPOSE"]
    assert all(port.startswith("127.0.0.1:") for port in satchel["ports"])
    assert set(compose["volumes"]) == {one.partition(":")[0] for one in store["volumes"]}
    default = re.fullmatch(r"\$\{AGENT:-(.*)\}", satchel["command"][1])
    assert default
    assert default[1] in (root / "runtime" / "service" / "README.md").read_text()
    entry = json.loads(steps["ENTRYPOINT"][0])
    assert Path(entry[0]).name in project["project"]["scripts"]


def test_the_image_is_built_as_the_makefile_installs(steps: Steps, root: Path, project: dict[str, Any]) -> None:
    makefile = (root / "Makefile").read_text()
    for run in steps["RUN"]:
        for options in re.findall(r"--(?:require-hashes -r|no-deps --no-build-isolation)", run):
            assert options in makefile
    assert "requirements/serve.txt" in makefile
    lowest = project["project"]["requires-python"].removeprefix(">=")
    assert {image.split()[0] for image in steps["FROM"]} == {f"python:{lowest}-slim"}


@pytest.mark.debian
def test_the_steps_of_the_image_make_a_server(steps: Steps, root: Path, tmp_path: Path) -> None:
    """Each RUN that installs, with the image's folder moved below a temporary one; then ENTRYPOINT and CMD."""
    left_out = [line.removeprefix("**/") for line in (root / ".dockerignore").read_text().split()]
    shutil.copytree(root, tmp_path / "src", symlinks=True, ignore=shutil.ignore_patterns(*left_out, ".*_cache"))
    for run in (run for run in steps["RUN"] if "/satchel" in run):
        command = shlex.split(moved(run, tmp_path))
        command[0] = sys.executable if command[0] == "python" else command[0]
        done = subprocess.run(command, cwd=tmp_path / "src", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    entry = [*json.loads(steps["ENTRYPOINT"][0]), *json.loads(steps["CMD"][0])]
    entry[0] = moved(entry[0], tmp_path)
    entry = ["127.0.0.1" if word == "0.0.0.0" else word for word in entry]  # noqa: S104 - the image's own network
    with subprocess.Popen(
        [*entry, "--port", "0", "--store", "memory://"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        try:
            said = next(filter(None, (re.search(r"serving .* on (http://\S+)", line) for line in server.stderr)))
            assert httpx.get(f"{said[1]}/readyz").json() == {"ready": True}
        finally:
            server.kill()
