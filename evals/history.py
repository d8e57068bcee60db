"""Results by commit: one small file for each, to be a baseline of later ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.memory.records import Json


def prepare(folder: Path) -> None:
    """Make the folder, if need be. Raises `ConfigError` if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to ({error.strerror}); name another folder") from None


def keep(data: Mapping[str, Json], folder: Path) -> Path:
    """Write `SUITE-COMMIT.json` into a folder, which is made if need be: the result without the turns of its trials.

    Raises `ConfigError` outside a checkout, where a result belongs to no commit, and for a folder that cannot be
    written to.
    """
    commit = data["git"]
    if commit is None:
        raise ConfigError("--history keeps results by commit, and this copy is no git checkout; use --out")
    name = re.sub(r"[^\w.-]", "_", f"{data['suite']}-{commit}")
    slim = {**data, "trials": [{**trial, "turns": []} for trial in data["trials"]]}
    path = folder / f"{name}.json"
    prepare(folder)
    path.write_text(json.dumps(slim, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path
