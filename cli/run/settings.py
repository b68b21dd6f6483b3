"""What the command itself reads from the environment, besides what it hands on to workers."""

from pydantic import Field
from pydantic_settings import BaseSettings

from libs.runtime.settings import CONFIG


class StartSettings(BaseSettings):
    """How patient a start is."""

    model_config = CONFIG

    start_patience: float = Field(
        default=75, gt=0, le=3_600, description="wall seconds without any progress after which a start is given up"
    )
