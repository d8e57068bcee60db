"""Give the API what its document allows, and what it does not, in chains: what one answer made, the next request uses.

    python -m tests.service.fuzz_api --cases 2000 --seed 0

Schemathesis calls a real server process. No answer may be a fault of the server (5xx), have a status, a type, a header
or a shape that the document does not name, or come without the key that it asks for. Prints one line a round, and exits
with 1 if anything was found.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from satchel.runtime.service.api_keys import add
from tests.service.conftest import Server

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "ignored_auth",
)  # fmt: skip

EACH = 60
"""Chains, or requests of one operation, in a round."""

FREE = {"SATCHEL_SERVE_REQUESTS": "100000", "SATCHEL_SERVE_BURST": "100000"}


def main() -> int:
    """Read the command line, and call until there were enough cases."""
    ask = argparse.ArgumentParser(prog="python -m tests.service.fuzz_api", description=__doc__.partition("\n")[0])
    ask.add_argument("--cases", type=int, default=2_000)
    ask.add_argument("--seed", type=int, default=0)
    given = ask.parse_args()
    done = seed = 0
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        key = add("fuzz", keys)
        server = Server(Path(folder), "fuzzed:served", "--keys", str(keys), **FREE).start()
        try:
            while done < given.cases:
                cases, code, told = call(server.url, key, given.seed + seed, min(EACH, given.cases - done))
                done, seed = done + cases, seed + 1
                say(f"round {seed}: {cases} cases, {done} in all, {'nothing found' if code == 0 else 'FOUND'}")
                if code or not cases:
                    say(told)
                    return 1
        finally:
            server.kill()
    return 0


def say(line: str) -> None:
    """Tell at once: a campaign takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def call(url: str, key: str, seed: int, most: int) -> tuple[int, int, str]:
    """One round of chains: the number of cases, the exit code and what was said."""
    words = [
        "run",
        f"{url}/openapi.json",
        "-H",
        f"x-api-key: {key}",
        "--phases",
        "stateful",
        "--checks",
        ",".join(CHECKS),
    ]
    words += ["--max-examples", str(most), "--seed", str(seed), "--request-timeout", "30", "--continue-on-failure"]
    words += ["--suppress-health-check", "all", "--warnings", "off"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.service.fuzz_hooks", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "schemathesis.cli", *words]
    with tempfile.TemporaryDirectory() as folder:  # it keeps notes where it runs
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    found = re.search(r"(\d+) generated", done.stdout)
    return int(found[1]) if found else 0, done.returncode, done.stdout + done.stderr


ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    sys.exit(main())
