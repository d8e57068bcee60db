"""Settings from the environment: `SATCHEL_STORE`, `SATCHEL_HOME`, and `REDIS_URL` as the store when no other is named."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`store` is a store's URL (None: the embedded server), `home` the directory of its data (None: the user's)."""

    model_config = SettingsConfigDict(env_prefix="SATCHEL_", extra="ignore")

    store: str | None = Field(default=None, validation_alias=AliasChoices("SATCHEL_STORE", "REDIS_URL"))
    home: Path | None = None
