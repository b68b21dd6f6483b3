"""What moves together on one side has one limit."""

from decimal import Decimal as D
from typing import Any

import pytest

from libs.risk import AccountView, Resting
from libs.schemas.decision import Facts, pair_key
from tests.unit.risk.samples import (
    BTC,
    ETH,
    SOL,
    XRP,
    account,
    facts,
    judged,
    limits,
    one,
    position,
    reasons,
    row,
    strategy,
)


def market(*apart: tuple[str, str], together: tuple[tuple[str, str], ...] = ()) -> Facts:
    known = {pair_key(*pair): False for pair in apart} | {pair_key(*pair): True for pair in together}
    return facts().model_copy(update={"correlated": known})


def bounds(percent: float = 12) -> Any:
    """1 200 of notional for a cluster, unless told else."""
    return limits(strategy(max_cluster_pct=percent))


@pytest.mark.parametrize(
    ("held", "seen", "notional"),
    [
        pytest.param(account(), market(), "500", id="alone"),
        pytest.param(account(position(ETH)), market(), "200", id="an unknown pair counts as correlated"),
        pytest.param(account(position(ETH)), market(together=((BTC, ETH),)), "200", id="a correlated pair"),
        pytest.param(account(position(ETH)), market((BTC, ETH)), "500", id="a pair that is apart"),
        pytest.param(account(position(ETH, side="short", stop="105")), market(), "500", id="the other side"),
        pytest.param(account(position(BTC, stop=None)), market(), "200", id="the asset itself"),
        pytest.param(account(resting={ETH: D(1_000)}), market(), "200", id="a resting entry"),
        pytest.param(account(resting={ETH: Resting(D(1_000), "short")}), market(), "500", id="one of the other side"),
        pytest.param(account(resting={ETH: Resting(D(1_000))}), market(), "200", id="one whose side nobody knows"),
        pytest.param(
            account(position(ETH, quantity="5"), position(SOL, quantity="5")),
            market((BTC, SOL)),
            "200",
            id="the cluster around another asset is kept too",
        ),
        pytest.param(
            account(position(ETH, quantity="5"), position(SOL, quantity="5")),
            market((BTC, SOL), (ETH, SOL)),
            "500",
            id="what an asset is apart from counts nowhere",
        ),
    ],
)
def test_the_cluster_of_an_entry(held: AccountView, seen: Facts, notional: str) -> None:
    verdict = one(row(), held=held, market=seen, bounds=bounds())
    assert reasons(verdict) == (["correlation_clamped"] if notional == "200" else [])
    assert verdict.final is not None
    assert verdict.final.notional == D(notional)


def test_entries_of_one_decision_share_the_limit_by_confidence() -> None:
    judgement = judged(row(BTC, confidence=60), row(ETH, confidence=80), row(SOL, "sell"), bounds=bounds(7))
    finals = [verdict.final and verdict.final.notional for verdict in judgement.verdicts]
    assert finals == [D(200), D(500), D(500)]


def test_a_full_cluster_denies() -> None:
    verdict = one(row(), held=account(position(ETH), position(XRP)), bounds=bounds(20))
    assert reasons(verdict) == ["nothing_left"]
    assert "moves with BTCUSDT" in verdict.receipts[-1].message


def test_a_close_frees_the_cluster() -> None:
    verdict = one(row(), row(ETH, "close_position"), held=account(position(ETH)), bounds=bounds(5))
    assert verdict.verdict == "accepted"


def test_a_close_leaves_what_rests_on_its_own_side() -> None:
    held = account(position(ETH), resting={ETH: D(400)})
    verdict = one(row(), row(ETH, "close_position"), held=held, bounds=bounds(6))
    assert verdict.final is not None
    assert verdict.final.notional == 200
