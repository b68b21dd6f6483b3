"""In whose name a context is decided: the arm that counts, or a shadow beside it."""

from dataclasses import dataclass, replace

from libs.schemas import ids
from libs.schemas.context import TradingContext
from libs.schemas.decision import LIVE, Arm, DecisionProposed
from libs.schemas.experiment import AssignedArm
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.prompt import Prompt

VERSION_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Seat:
    """One decision about a context. `choice` None: the account's own way. It travels with the call and is kept
    nowhere else."""

    decision_id: str
    arm: Arm = LIVE
    choice: AssignedArm | None = None

    @property
    def model(self) -> str | None:
        return self.choice.model if self.choice else None

    def entry(self, entry: CatalogueEntry) -> CatalogueEntry:
        """The model with the arm's own parameters."""
        if self.choice is None or not self.choice.params:
            return entry
        return entry.model_copy(update={"params": {**entry.params, **self.choice.params}})

    def shown(self, context: TradingContext) -> TradingContext:
        """The context with the arm's own prompt in the place of the strategy's."""
        if self.choice is None or self.choice.prompt_template is None:
            return context
        account = context.account_state
        strategy = account.active_strategy.model_copy(update={"prompt_template": self.choice.prompt_template})
        return context.model_copy(update={"account_state": account.model_copy(update={"active_strategy": strategy})})

    def named(self, prompt: Prompt) -> Prompt:
        """The prompt under a version of the arm's own, where its template is."""
        if self.choice is None or self.choice.prompt_template is None:
            return prompt
        version = f"{prompt.version}+{self.choice.experiment}/{self.choice.name}"
        return replace(prompt, version=version[:VERSION_LIMIT])


def live(context: TradingContext) -> Seat:
    """The decision that counts. Its id is the same whichever arm makes it: everybody knows it beforehand."""
    decision, choice = ids.decision_id(context.context_id, LIVE.name), context.assignment.live
    return Seat(decision, choice.arm(shadow=False), choice) if choice else Seat(decision)


def shadows(context: TradingContext) -> tuple[Seat, ...]:
    return tuple(
        Seat(
            ids.shadow_decision_id(context.context_id, choice.experiment, choice.name), choice.arm(shadow=True), choice
        )
        for choice in context.assignment.shadows
    )


def again(context: TradingContext, recorded: DecisionProposed) -> Seat:
    """The seat that a recorded decision was made in, for another model: its own prompt and parameters stay."""
    seat = next((one for one in (live(context), *shadows(context)) if one.decision_id == recorded.decision_id), None)
    choice = seat.choice.model_copy(update={"model": None}) if seat and seat.choice else None
    return Seat(recorded.decision_id, recorded.arm, choice)


def without_prompt(seat: Seat) -> Seat:
    """For whoever brings a prompt of his own."""
    choice = seat.choice.model_copy(update={"prompt_template": None}) if seat.choice else None
    return replace(seat, choice=choice)
