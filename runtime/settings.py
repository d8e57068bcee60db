"""Settings from the environment: the store to use when none is named in code."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`store` is a store's URL, from `SATCHEL_STORE` or `REDIS_URL`; None is the embedded server.

    The embedded server keeps its data where `SATCHEL_HOME` says; see `satchel.memory.embedded.default_home`.
    """

    model_config = SettingsConfigDict(env_prefix="SATCHEL_", extra="ignore")

    store: str | None = Field(default=None, validation_alias=AliasChoices("SATCHEL_STORE", "REDIS_URL"))
