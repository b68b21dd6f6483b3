"""Who takes part in an experiment, in which arm, and what is asked beside it."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.schemas.context import TradingContext
from libs.schemas.experiment import Experiment
from services.context.domain.arms import assign, covering
from tests.fakes.decider_contexts import asset, context

GIVEN = context({"BTCUSDT": asset("BTCUSDT")})


def at(account: str = "acc1", n: int = 0, **wishes: Any) -> TradingContext:
    wish = GIVEN.request.model_copy(update=wishes)
    return GIVEN.model_copy(update={"account_id": account, "context_id": f"ctx-{account}-{n}", "request": wish})


def experiment(name: str = "models", mode: str = "live", **more: Any) -> Experiment:
    arms = [{"name": "a", "model": "builtin/trend"}, {"name": "b", "params": {"temperature": 0.2}}]
    return Experiment.model_validate({"name": name, "mode": mode, "arms": arms} | more)


def live_arm(one: Experiment, where: TradingContext) -> str | None:
    found = assign([one], where).live
    return found.name if found else None


@given(st.text("abcdef0123456789-", min_size=1, max_size=20), st.integers(0, 10**6))
def test_an_account_keeps_its_arm_from_cycle_to_cycle_and_through_every_restart(account: str, n: int) -> None:
    one = experiment()
    again = Experiment.model_validate_json(one.model_dump_json())
    assert live_arm(one, at(account, n)) == live_arm(again, at(account, n + 1)) is not None


def test_accounts_are_split_by_weight_and_cycles_change_the_arm_where_that_was_asked() -> None:
    arms = [{"name": "a", "weight": 3}, {"name": "b"}]
    accounts = Counter(live_arm(experiment(arms=arms), at(f"acc-{n}")) for n in range(2_000))
    assert 1_420 < accounts["a"] < 1_580 and accounts.total() == accounts["a"] + accounts["b"]
    cycles = Counter(live_arm(experiment(arms=arms, split="cycle"), at("acc1", n)) for n in range(2_000))
    assert 1_420 < cycles["a"] < 1_580


def test_the_order_of_the_accounts_in_one_experiment_says_nothing_of_that_in_another() -> None:
    same = sum(live_arm(experiment("x"), at(f"a{n}")) == live_arm(experiment("y"), at(f"a{n}")) for n in range(1_000))
    assert 430 < same < 570


def test_only_the_share_that_was_asked_for_takes_part() -> None:
    taking = sum(bool(assign([experiment(mode="shadow", share=10)], at(f"a{n}")).shadows) for n in range(2_000))
    assert 150 < taking < 250


@pytest.mark.parametrize(
    ("one", "where"),
    [
        (experiment(status="stopped"), at()),
        (experiment(accounts=["other"]), at()),
        (experiment(), at(dry_run=True)),
        (experiment(), at(model="openrouter/x-ai/grok-4")),
        (experiment(), at(strategy_override="swing")),
    ],
    ids=["stopped", "another account", "a dry run", "a model is named", "a strategy is named"],
)
def test_who_does_not_take_part_decides_as_ever(one: Experiment, where: TradingContext) -> None:
    beside = one.model_copy(update={"mode": "shadow"})
    assert assign([one, beside], where) == assign([], where)


def test_one_live_experiment_decides_and_every_shadow_arm_is_asked() -> None:
    found = assign([experiment("zeta"), experiment("beta"), experiment("sh", "shadow")], at())
    assert found.live is not None and found.live.experiment == "beta"
    assert [(one.experiment, one.name, one.model) for one in found.shadows] == [
        ("sh", "a", "builtin/trend"),
        ("sh", "b", None),
    ]
    assert found.shadows[1].params == {"temperature": 0.2}


def test_a_decision_is_used_again_only_under_the_same_live_experiments() -> None:
    assert covering([experiment("x", version=2), experiment("s", "shadow")], "acc1") == ("x@2",)
    assert covering([experiment("x", status="stopped"), experiment("y", accounts=["other"])], "acc1") == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"arms": [{"name": "a"}]}, "needs two arms"),
        ({"arms": [{"name": "a"}, {"name": "a"}]}, "the same name"),
        ({"arms": [{"name": "live"}, {"name": "a"}]}, "may be called live"),
        ({"mode": "shadow", "arms": [{"name": "a"}]}, "it would only cost"),
        ({"arms": [{"name": "a"}, {"name": "b", "params": {"api_key": "x"}}]}, "params"),
        ({"arms": [{"name": "a b"}, {"name": "b"}]}, "pattern"),
        ({"share": 0}, "share"),
    ],
)
def test_an_experiment_that_makes_no_sense_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        experiment(**more)
