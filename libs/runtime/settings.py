"""Settings that every process has, read from the environment; a service subclasses them with its own."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from libs.perps.admission import AdmissionRules

PREFIX = "PERPETUA_"
CREDENTIAL_PREFIX = f"{PREFIX}CREDENTIAL_"  # what follows is the user's: a credential's name
NOTIFY_PREFIX = f"{PREFIX}NOTIFY_"  # what follows is the user's: what ${...} stands for in notifications.yaml
TEST_PREFIX = f"{PREFIX}TEST_"  # read by the tests alone
FILE_ENDING = "_FILE"
IN_FILES = (
    "_URL",
    "_KEY",
    "_SECRETS",
)  # with FILE_ENDING they name a file that holds the secret

# Trap: the configuration of the last base class wins, so that each mixin has to carry the same one.
CONFIG = SettingsConfigDict(env_prefix=PREFIX, frozen=True, populate_by_name=True, extra="ignore")


def _instance() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


class FileSource(PydanticBaseSettingsSource):
    """Secrets that containers and systemd hand over as files: NATS_URL_FILE names the file that holds NATS_URL. The
    variable itself comes first; an empty file counts as none."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        names = (name for name in _names(field_name, field) if name.endswith(IN_FILES))
        texts = (_text_for(name) for name in names)
        return next((text for text in texts if text), None), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        texts = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: text for name, text in texts.items() if text}


def _text_for(variable: str) -> str:
    path = os.environ.get(f"{variable}{FILE_ENDING}")
    if os.environ.get(variable) or not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}{FILE_ENDING} cannot be read: {type(error).__name__}") from None


class RuntimeSettings(BaseSettings):
    """Variables are `PERPETUA_<FIELD>`, except those that users of such systems already have."""

    model_config = CONFIG

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FileSource(settings_cls)

    nats_url: str = Field(default="nats://127.0.0.1:4222", validation_alias=AliasChoices("NATS_URL", "nats_url"))
    nats_inbox: str = Field(
        default="", pattern=r"^[A-Za-z0-9_.-]*$", description="what replies begin with; _INBOX_<user> of NATS_URL"
    )
    ops_host: str = "127.0.0.1"
    ops_port: int = Field(default=0, ge=0, le=65535, description="/live, /ready and /metrics; 0 takes a free port")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    log_levels: str = Field(
        default="", description="a file of lines logger=LEVEL, as services.decider=DEBUG; read again when it changes"
    )
    otlp_endpoint: str = Field(
        default="",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint"),
        pattern=r"^(https?://\S+)?$",
        description="where traces go by OTLP over HTTP, as http://127.0.0.1:4318; none are made if empty",
    )
    trace_share: float = Field(
        default=1,
        ge=0,
        le=1,
        validation_alias=AliasChoices("OTEL_TRACES_SAMPLER_ARG", "trace_share"),
        description="which share of the traces that begin in a process is kept",
    )
    instance: str = Field(default_factory=_instance, min_length=1, max_length=100)
    graceful_timeout: float = Field(default=20, gt=0, le=600, description="seconds for work in flight at a stop")

    @field_validator("nats_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("nats", "tls", "ws", "wss") or not parts.hostname or parts.port == 0:
            raise ValueError("must be like nats://127.0.0.1:4222")
        return url


def inbox_of(url: str, wanted: str = "") -> str:
    """What replies to the user of an address begin with: each has an own prefix, so that none reads those of others."""
    user = urlsplit(url.split(",")[0]).username
    return wanted or (f"_INBOX_{user}" if user else "_INBOX")


def settings_error(error: ValidationError | SettingsError) -> str:
    """One line: which variables are wrong, and how."""
    if isinstance(error, SettingsError):
        return f"a setting is not valid: {error}".replace("\n", " ")
    lines = [f"{_variable(e['loc'])}: {e['msg']}" for e in error.errors(include_input=False, include_url=False)]
    return f"a setting is not valid: {'; '.join(lines)}".replace("\n", " ")


def _variable(loc: tuple[int | str, ...]) -> str:
    """The environment variable of a field; fields with a foreign name are reported under it."""
    if not loc:
        return "settings"
    return ".".join([variable_at(str(loc[0])), *map(str, loc[1:])])


def variable_at(name: str) -> str:
    """The variable of what pydantic calls `name` in an error: the field's alias where it has one, else the field."""
    return name if name.isupper() else f"{PREFIX}{name}".upper()


def variables_of(settings: type[BaseSettings]) -> dict[str, tuple[str, ...]]:
    """The names of the variables that each field is read from; the first is the one to tell people."""
    return {field: tuple(dict.fromkeys(_names(field, info))) for field, info in settings.model_fields.items()}


def _names(field: str, info: FieldInfo) -> Iterator[str]:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        yield from (choice.upper() for choice in alias.choices if isinstance(choice, str))
    else:
        yield variable_at(alias if isinstance(alias, str) else field)


class MongoSettings(BaseSettings):
    """Mixin of services that use MongoDB."""

    model_config = CONFIG

    mongodb_url: str = Field(
        default="mongodb://127.0.0.1:27017/?replicaSet=perpetua",
        validation_alias=AliasChoices("MONGODB_URL", "mongodb_url"),
    )
    mongodb_db: str = Field(default="perpetua", pattern=r"^[A-Za-z0-9_-]{1,60}$")


class RedisSettings(BaseSettings):
    """Mixin of services that use Redis."""

    model_config = CONFIG

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", validation_alias=AliasChoices("REDIS_URL", "redis_url"))


class PaceSettings(BaseSettings):
    """Mixin of services that know how often the feed tells a price. Market seconds."""

    model_config = CONFIG

    feed_interval: float = Field(default=15, gt=0, le=3600, description="seconds between a symbol's ticks at most")


class FreshnessSettings(PaceSettings):
    """Mixin of services that judge how old a price may be. Market seconds."""

    model_config = CONFIG

    max_tick_age: float | None = Field(
        default=None, gt=0, le=86_400, description="an older newest tick makes an asset stale; 3 feed intervals, 30 s"
    )

    price_band_pct: float = Field(
        default=10, gt=0, le=1_000, description="percent beyond the recent prices from which a tick waits for the next"
    )
    tick_source: str = Field(
        default="", max_length=100, description="the one source whose ticks count; the first one of a symbol if empty"
    )

    @property
    def tick_age(self) -> float:
        return self.max_tick_age or max(30.0, 3 * self.feed_interval)

    @property
    def admission(self) -> AdmissionRules:
        """Which ticks count: the same for all who read them."""
        return AdmissionRules(band=self.price_band_pct / 100, source=self.tick_source, silence=self.tick_age)
