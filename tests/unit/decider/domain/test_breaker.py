"""The rules of one circuit: when it opens, whom it lets through, and for how long it stays shut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decider.domain import breaker
from services.decider.domain.breaker import BreakerRules, CallVerdict, Circuit, Guard
from services.decider.domain.replies import Outcome
from tests.fakes.decider_spending import FREE, PAID

RULES = BreakerRules()
MODEL, PROVIDER = Guard("model:m", 5), Guard("provider:p", 0)


def after(*verdicts: CallVerdict, guard: Guard = MODEL, now: int = 1_000_000) -> Circuit:
    circuit = Circuit(alive=now)
    for n, said in enumerate(verdicts):
        circuit = breaker.entered(circuit, guard, now, f"c{n}", RULES)
        circuit = breaker.told(circuit, guard, now, f"c{n}", said, "timeout", RULES)
    return circuit


FAILED, ALIVE, FATAL, RELEASED = CallVerdict.FAILED, CallVerdict.ALIVE, CallVerdict.FATAL, CallVerdict.RELEASED


@pytest.mark.parametrize(
    ("verdicts", "guard", "opened"),
    [
        ([FAILED] * 4, MODEL, 0),
        ([FAILED] * 5, MODEL, 1),
        ([*[FAILED] * 4, ALIVE, *[FAILED] * 4], MODEL, 0),
        ([FAILED] * 50, PROVIDER, 0),
        ([FATAL], PROVIDER, 1),
        ([RELEASED] * 9, MODEL, 0),
    ],
    ids=[
        "four failures are not enough", "five are", "a sign of life in between begins anew",
        "failures of a model do not close the provider", "a wrong key does at once", "what is not known counts nothing",
    ],
)  # fmt: skip
def test_a_circuit_opens(verdicts: list[CallVerdict], guard: Guard, opened: int) -> None:
    assert after(*verdicts, guard=guard).opened == opened


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_says_something_of_the_one_who_was_asked(outcome: Outcome) -> None:
    model, provider = breaker.guards(PAID, RULES)[1], breaker.guards(PAID, RULES)[0]
    expected = {
        Outcome.TIMEOUT: (FAILED, FAILED), Outcome.UNAVAILABLE: (FAILED, FAILED),
        Outcome.AUTH: (RELEASED, FATAL), Outcome.CREDIT: (RELEASED, FATAL),
    }.get(outcome, (ALIVE, ALIVE))  # fmt: skip
    assert (breaker.verdict(outcome, model), breaker.verdict(outcome, provider)) == expected


def test_an_open_circuit_lets_one_probe_through_and_its_success_closes_it() -> None:
    circuit, end = after(*[FAILED] * 5), 1_060_000
    assert breaker.wait_ms(circuit, end - 1) == 1
    assert breaker.wait_ms(circuit, end) == 0
    probing = breaker.entered(circuit, MODEL, end, "probe", RULES)
    assert breaker.wait_ms(probing, end) == RULES.lease_ms
    assert breaker.told(probing, MODEL, end + 5, "late", ALIVE, "", RULES) == probing
    assert breaker.told(probing, MODEL, end + 5, "probe", ALIVE, "", RULES) == Circuit(alive=end + 5)


def test_a_dead_probe_gives_way_when_its_lease_is_over() -> None:
    circuit = breaker.entered(after(*[FAILED] * 5), MODEL, 1_060_000, "dead", RULES)
    assert breaker.wait_ms(circuit, 1_060_000 + RULES.lease_ms - 1) > 0
    later = breaker.entered(circuit, MODEL, 1_060_000 + RULES.lease_ms, "next", RULES)
    assert later.prober == "next"
    assert breaker.told(later, MODEL, 1_090_000, "dead", ALIVE, "", RULES) == later


def test_each_failed_probe_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    circuit, now, waits = after(*[FAILED] * 5), 1_000_000, []
    for n in range(7):
        waits.append(breaker.wait_ms(circuit, now) // 1000)
        now += waits[-1] * 1000
        circuit = breaker.entered(circuit, MODEL, now, f"p{n}", RULES)
        circuit = breaker.told(circuit, MODEL, now, f"p{n}", FAILED, "timeout", RULES)
    assert waits == [60, 120, 240, 480, 900, 900, 900]


def test_without_a_sign_of_life_no_more_are_under_way_than_could_open_it() -> None:
    circuit, now = Circuit(), 1_000_000
    for n in range(5):
        assert not breaker.crowded(circuit, MODEL, now, RULES)
        circuit = breaker.entered(circuit, MODEL, now, f"c{n}", RULES)
    assert breaker.crowded(circuit, MODEL, now, RULES)
    assert not breaker.crowded(circuit, MODEL, now + RULES.lease_ms, RULES)
    assert not breaker.crowded(breaker.told(circuit, MODEL, now, "c0", ALIVE, "", RULES), MODEL, now, RULES)


@given(
    st.lists(st.tuples(st.sampled_from(["enter", "end"]), st.sampled_from(list(CallVerdict)), st.integers(0, 70_000)))
)
def test_half_open_never_lets_a_second_probe_through_before_the_lease_ends(
    events: list[tuple[str, CallVerdict, int]],
) -> None:
    circuit, now, n = Circuit(), 1_000_000, 0
    for kind, said, passed in events:
        now += passed
        if kind == "end":
            circuit = breaker.told(circuit, MODEL, now, f"c{n}", said, "timeout", RULES)
        elif not breaker.wait_ms(circuit, now):
            n += 1
            half_open = circuit.opened > 0
            circuit = breaker.entered(circuit, MODEL, now, f"c{n}", RULES)
            assert not half_open or breaker.wait_ms(circuit, now) == RULES.lease_ms
        assert len(circuit.flights) <= max(5, n)
        assert circuit.ends - now <= RULES.longest_ms


def test_free_and_paid_models_have_circuits_of_their_own() -> None:
    assert [guard.id for guard in breaker.guards(FREE, RULES)] == ["provider:openai-compatible", f"model:{FREE.id}"]
