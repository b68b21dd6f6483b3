"""Experiments: who decides in which arm, and what is decided beside it. KV `config`, key `experiment.<name>`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from libs.schemas.base import AccountId, Message, ModelChain, ShortText, Utc, Wire
from libs.schemas.decision import LIVE, Arm
from libs.schemas.names import KEY_PATTERN

MAX_ARMS = 8
MAX_SHADOWS = 8  # of one context, over all experiments
ExperimentName = Annotated[str, Field(pattern=KEY_PATTERN)]
Parameter = Literal["temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "reasoning_effort"]


class Choice(Wire):
    """What an arm does otherwise than the account: null or empty is as the account has it.

    `model` is a model or a chain "a,b,c", `prompt_template` takes the place of the strategy's, `params` are sent
    beside or instead of the catalogue's.
    """

    name: ExperimentName
    model: ModelChain | None = None
    prompt_template: Annotated[str, Field(min_length=1, max_length=50_000)] | None = None
    params: dict[Parameter, str | int | float | bool] = {}

    @property
    def changes(self) -> bool:
        return bool(self.model or self.prompt_template or self.params)


class ExperimentArm(Choice):
    """`weight`: its part of the accounts or cycles, against the other arms'. Shadow arms need none."""

    weight: int = Field(default=1, ge=1, le=1_000)


class Experiment(Message):
    """`live`: of the accounts or cycles that take part, each is decided by one arm. `shadow`: each is decided as
    without the experiment, and every arm is asked beside it; nothing of that is executed.

    `share` percent of the accounts or cycles take part; `accounts` null are all. Who takes part, and in which arm,
    follows from the name of the experiment and the id of the account or context alone.
    """

    name: ExperimentName
    mode: Literal["live", "shadow"]
    split: Literal["account", "cycle"] = "account"
    arms: Annotated[tuple[ExperimentArm, ...], Field(min_length=1, max_length=MAX_ARMS)]
    accounts: Annotated[tuple[AccountId, ...], Field(min_length=1, max_length=500)] | None = None
    share: float = Field(default=100, gt=0, le=100)
    status: Literal["running", "stopped"] = "running"
    description: ShortText = ""
    started_at: Utc | None = None
    stopped_at: Utc | None = None
    version: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError("two arms have the same name")
        if LIVE.name in names:
            raise ValueError(f"no arm may be called {LIVE.name}: so is the account's own way of deciding")
        if self.mode == "live" and len(self.arms) < 2:
            raise ValueError("a live experiment needs two arms")
        if same := next((arm.name for arm in self.arms if self.mode == "shadow" and not arm.changes), None):
            raise ValueError(f"shadow arm {same} has neither a model nor a prompt nor parameters: it would only cost")
        return self


class AssignedArm(Choice):
    """An arm as it was assigned to one context: the whole choice travels with it."""

    experiment: ExperimentName

    def arm(self, *, shadow: bool) -> Arm:
        return Arm(experiment=self.experiment, name=self.name, shadow=shadow)


class Assignment(Wire):
    """`live` decides the context, null is the account's own way; `shadows` are asked beside it."""

    live: AssignedArm | None = None
    shadows: Annotated[tuple[AssignedArm, ...], Field(max_length=MAX_SHADOWS)] = ()
