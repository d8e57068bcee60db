"""Settings from the environment: the store to use when none is named in code."""

from __future__ import annotations

import os

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
"""OpenTelemetry's own names of where spans and metrics go."""


def telemetry_wanted() -> bool:
    """Whether the environment names where telemetry goes, and does not turn it off."""
    return os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true" and any(map(os.environ.get, ENDPOINTS))


class Settings(BaseSettings):
    """`store` is a store's URL, from `SATCHEL_STORE` or `REDIS_URL`; None is the embedded server.

    The embedded server keeps its data where `SATCHEL_HOME` says; see `satchel.memory.embedded.default_home`.
    """

    model_config = SettingsConfigDict(env_prefix="SATCHEL_", extra="ignore")

    store: str | None = Field(default=None, validation_alias=AliasChoices("SATCHEL_STORE", "REDIS_URL"))
