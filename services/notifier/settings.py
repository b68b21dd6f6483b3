"""Settings of the notifier."""

from pathlib import Path

from pydantic import Field, SecretStr

from libs.runtime.settings import RuntimeSettings

CONFIG = Path(__file__).resolve().parents[2] / "config"


class Settings(RuntimeSettings):
    """What ${NAME} of notifications.yaml stands for is PERPETUA_NOTIFY_<NAME>, or a line of `notify_secrets`."""

    config_dir: Path = Field(default=CONFIG, description="the folder that holds models.yaml and notifications.yaml")
    notify_secrets: SecretStr | None = Field(
        default=None, description="lines NAME=value, for ${NAME} in notifications.yaml; as a rule in a file"
    )
    notifier_oldest_h: float = Field(
        default=24, gt=0, le=8_760, description="hours after which an event is told to nobody any more"
    )
    notifier_concurrency: int = Field(default=256, ge=1, le=1024, description="notices in hand at once")
    notifier_timeout_s: float = Field(default=15, gt=0, le=120, description="seconds that a receiver may take")
