"""What a provider refuses of a request's form is left out of the next one."""

import pytest

from services.decider.domain.policy import (
    Abstain,
    Candidate,
    Done,
)
from services.decider.domain.reading import Reading
from services.decider.domain.replies import Outcome
from tests.unit.decider.domain.test_policy import DECISION, GOOD, ONE, TWO, bad, run

NO_FORMAT = Reading(Outcome.REFUSED, detail="no format", without="response_format")


NO_THOUGHT = Reading(Outcome.REFUSED, detail="no thought", without="reasoning")


REST = Reading(Outcome.INVALID, detail="one entry is wrong", rest=DECISION)


# what a server does not take is left out once each; what is right of an answer counts where nobody puts it right
FORMS = [
    ("once without", ONE, [NO_FORMAT, GOOD], ["a:first", "a:without"], None),
    ("not twice", ONE, [NO_FORMAT] * 2, ["a:first", "a:without"], "refused"),
    ("each part once", ONE, [NO_FORMAT, NO_THOUGHT, GOOD], ["a:first", "a:without", "a:without"], None),
    ("it is no repair", ONE, [NO_FORMAT, bad(Outcome.INVALID), GOOD], ["a:first", "a:without", "a:repair"], None),
    (
        "each model anew",
        TWO,
        [NO_FORMAT] * 2 + [NO_FORMAT, GOOD],
        ["a:first", "a:without", "b:first", "b:without"],
        None,
    ),
    ("a prompt that was cut is not repaired", ONE, [bad(Outcome.CUT)], ["a:first"], "invalid"),
    ("settings that keep a model from us", TWO, [bad(Outcome.POLICY), GOOD], ["a:first", "b:first"], None),
    ("what is right after the repair", ONE, [REST] * 2, ["a:first", "a:repair"], None),
    ("a whole answer first", TWO, [REST, REST, GOOD], ["a:first", "a:repair", "b:first"], None),
    ("no rest of an earlier answer", ONE, [REST, bad(Outcome.INVALID)], ["a:first", "a:repair"], "invalid"),
]


@pytest.mark.parametrize(("chain", "readings", "called", "reason"), [f[1:] for f in FORMS], ids=[f[0] for f in FORMS])
def test_a_refused_form_is_left_out_and_what_is_right_counts_at_the_end(
    chain: tuple[Candidate, ...], readings: list[Reading], called: list[str], reason: str | None
) -> None:
    made, step = run(chain, readings)
    assert made == called
    assert (step.reason if isinstance(step, Abstain) else None) == reason
    assert isinstance(step, Abstain | Done)
