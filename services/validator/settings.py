"""Settings of the validator."""

from pydantic import Field

from libs.runtime.settings import FreshnessSettings, RuntimeSettings


class Settings(FreshnessSettings, RuntimeSettings):
    """How old a price may be is configured once, for the context worker and the validator."""

    mirror_wait: float = Field(
        default=2, ge=0, le=10, description="wall seconds that missing configuration is waited for"
    )
    validator_concurrency: int = Field(default=8, ge=1, le=256, description="proposals in hand at once")
