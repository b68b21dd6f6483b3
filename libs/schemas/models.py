"""Who decides: the chain of language models as it was switched while running (KV `config`, key `models`), and what is
tried before (key `trial`)."""

from typing import Annotated

from pydantic import Field

from libs.schemas.base import Message, Name, ShortText, Utc

MODELS_KEY = "models"
TRIAL_KEY = "trial"


class ModelsConfig(Message):
    """The global default, in the order in which the models are asked. It goes before LLM_MODEL and models.yaml."""

    chain: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)]
    switched_at: Utc
    by: Name
    why: ShortText
    version: int = Field(default=1, ge=1)


class ModelsTrial(Message):
    """A wish that each decider checks the keys of these models, and with `calls` asks each of them a small question.
    What it finds stands on its operations port, under the same `asked_at`."""

    chain: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)]
    calls: bool
    asked_at: Utc
    by: Name
