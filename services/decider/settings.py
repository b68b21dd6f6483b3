"""Settings of the decider."""

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr

from libs.runtime.settings import RedisSettings, RuntimeSettings

OPENROUTER = "https://openrouter.ai/api/v1"
CONFIG = Path(__file__).resolve().parents[2] / "config"


class GateSettings(RedisSettings):
    """What stands before a call of a model: budgets of all accounts together, rates, breakers."""

    budget_usd_per_hour: float | None = Field(
        default=None, ge=0, description="of all accounts on models; none if empty"
    )
    budget_usd_per_day: float | None = Field(default=None, ge=0, description="UTC days, wall time")
    budget_tokens_per_hour: int | None = Field(default=None, ge=0)
    budget_tokens_per_day: int | None = Field(default=None, ge=0)
    budget_unpriced_usd: float = Field(
        default=30, ge=0, description="dollars a million tokens that are set aside where a model has no price"
    )
    provider_rate: int | None = Field(default=None, ge=1, description="calls a minute of each provider; none if empty")
    breaker_failures: int = Field(default=5, ge=1, le=100, description="failures in a row that open a model's breaker")
    breaker_open_s: float = Field(
        default=60, gt=0, le=3_600, description="seconds until a probe; doubles when it fails"
    )
    breaker_longest_s: float = Field(default=900, gt=0, le=86_400)
    breaker_patience_s: float = Field(
        default=3, ge=0, le=60, description="how long calls wait for an idle provider's first answer"
    )


class Settings(RuntimeSettings, GateSettings):
    """An empty variable counts as one that is not set."""

    model_config = RuntimeSettings.model_config | {"env_ignore_empty": True}

    config_dir: Path = Field(default=CONFIG, description="the folder that holds models.yaml and notifications.yaml")
    decider_concurrency: int = Field(default=64, ge=1, le=256, description="decisions in flight in this process")
    decider_deadline_s: float = Field(
        default=20, gt=0, le=600, description="wall seconds for all calls of one decision"
    )
    decider_max_calls: int = Field(default=4, ge=1, le=10, description="calls of models for one decision, at most")
    decider_backoff_s: float = Field(
        default=0.5, gt=0, le=10, description="first back-off after a failed call, at most"
    )
    session: str | None = Field(
        default=None, max_length=100, description="the name of this run, under which usage is summed; `up` sets it"
    )
    decider_auth_check_s: float = Field(default=600, ge=1, le=86_400, description="seconds between checks of the keys")
    llm_model: str | None = Field(
        default=None,
        validation_alias=AliasChoices("LLM_MODEL", "llm_model"),
        description="model, or chain a,b,c, of accounts that name none; else `chain` of models.yaml",
    )
    llm_base_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("LLM_BASE_URL", "llm_base_url"),
        description="base URL of your own OpenAI-compatible server",
    )
    llm_api_key: SecretStr | None = Field(default=None, validation_alias=AliasChoices("LLM_API_KEY", "llm_api_key"))
    openrouter_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENROUTER_API_KEY", "openrouter_api_key")
    )
    openrouter_api_base: str = Field(
        default=OPENROUTER, validation_alias=AliasChoices("OPENROUTER_API_BASE", "openrouter_api_base")
    )
