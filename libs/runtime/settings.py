"""Settings that every process has, read from the environment; a service subclasses them with its own."""

import os
import socket

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _instance() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


class RuntimeSettings(BaseSettings):
    """Variables are `PERPETUA_<FIELD>`, except those that users of such systems already have."""

    model_config = SettingsConfigDict(env_prefix="PERPETUA_", frozen=True, populate_by_name=True, extra="ignore")

    nats_url: str = Field(default="nats://127.0.0.1:4222", validation_alias=AliasChoices("NATS_URL", "nats_url"))
    ops_host: str = "127.0.0.1"
    ops_port: int = Field(default=0, ge=0, le=65535, description="/live, /ready and /metrics; 0 takes a free port")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    instance: str = Field(default_factory=_instance, min_length=1, max_length=100)
    graceful_timeout: float = Field(default=20, gt=0, le=600, description="seconds for work in flight at a stop")


class MongoSettings(BaseSettings):
    """Mixin of services that use MongoDB."""

    mongodb_url: str = Field(
        default="mongodb://127.0.0.1:27017/?replicaSet=perpetua",
        validation_alias=AliasChoices("MONGODB_URL", "mongodb_url"),
    )
    mongodb_db: str = Field(default="perpetua", pattern=r"^[A-Za-z0-9_-]{1,60}$")


class RedisSettings(BaseSettings):
    """Mixin of services that use Redis."""

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", validation_alias=AliasChoices("REDIS_URL", "redis_url"))
