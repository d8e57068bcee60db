"""What an operator may set about the service: one table, from code or from the environment."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from satchel.memory.errors import ConfigError


def _split(given: Any) -> Any:
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several values; in the environment with commas between them."""

Most = Annotated[int, Field(ge=1)]


class ServiceSettings(BaseSettings):
    """The settings of one application; each is read from `SATCHEL_SERVE_` and its name unless code gives it."""

    model_config = SettingsConfigDict(env_prefix="SATCHEL_SERVE_", extra="forbid", frozen=True)

    keys: str = Field("", description="the file of the API keys' digests, or its lines with `;` between")
    operator: str = Field("", description="the tenant that may read `/metrics` once there is authentication")
    origins: Names = Field((), description="web pages' origins that browsers may call from, as `https://example.org`")
    hosts: Names = Field((), description="names in `Host` that are answered; none: all")
    requests: Annotated[float, Field(gt=0)] = Field(100.0, description="requests a second of one key, on average")
    burst: Most = Field(300, description="requests of one key that may come at once")
    open: Most = Field(1_000, description="requests of a tenant that may be open in one process, streams among them")
    body_bytes: Most = Field(8_388_608, description="bytes of a body")
    body_seconds: Annotated[float, Field(gt=0)] = Field(30.0, description="seconds that a body may take to arrive")
    json_depth: Most = Field(64, description="levels of a JSON body")
    string_length: Most = Field(4_194_304, description="characters of one string in a body")
    thread_queue: Most = Field(1_000, description="runs that may wait in one thread")
    tenant_queue: Most = Field(10_000, description="runs that may wait in all threads of a tenant, about")
    crons: Most = Field(1_000, description="crons of a tenant")
    webhook_networks: Names = Field((), description="private networks that webhooks may reach, as `10.1.0.0/16`")
    webhook_tries: Most = Field(8, description="times that a webhook is sent until it is taken")


def configured(**given: Any) -> ServiceSettings:
    """The settings, those of the environment where they are not given. Raises `ConfigError` for one that cannot be."""
    try:
        return ServiceSettings(**given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"settings of the service (SATCHEL_SERVE_*): {wrong}") from None
