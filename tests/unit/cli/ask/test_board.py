from datetime import UTC, datetime
from typing import Any

import pytest

from cli.ask.board import DecisionRow, PriceRow, Screen, decision_line, decision_rows

AT = "2025-05-15T03:12:00Z"


def receipt(reason: str, severity: str) -> dict[str, Any]:
    return {"rule": "r", "reason": reason, "severity": severity, "message": "m"}


def test_each_asset_with_an_action_is_a_row_with_its_size_and_reason() -> None:
    body = {
        "validated_at": AT,
        "verdicts": [
            {
                "asset": "BTCUSDT",
                "action": "buy",
                "verdict": "clamped",
                "final": {"notional": "1234.4", "leverage": "3.0"},
                "receipts": [receipt("sized", "info"), receipt("risk_clamped", "warning")],
            },
            {
                "asset": "ETHUSDT",
                "action": "sell",
                "verdict": "denied",
                "final": None,
                "receipts": [receipt("leverage_clamped", "warning"), receipt("stale_asset", "error")],
            },
            {"asset": "SOLUSDT", "action": "hold", "verdict": "accepted", "receipts": []},
        ],
    }
    rows = decision_rows("decision.validated.scalping", body)
    assert [(row.asset, row.action, row.verdict, row.text) for row in rows] == [
        ("BTCUSDT", "buy", "clamped", "1,234 USDT ×3  risk_clamped"),
        ("ETHUSDT", "sell", "denied", "stale_asset"),
    ]
    assert decision_line(rows) == (
        "05-15 03:12:00 scalping: BTCUSDT buy clamped (1,234 USDT ×3  risk_clamped); ETHUSDT sell denied (stale_asset)"
    )


@pytest.mark.parametrize(
    ("subject", "body", "wanted"),
    [
        (
            "decision.rejected.a",
            {"rejected_at": AT, "reason": "abstained", "abstain_reason": "timeout", "detail": "no answer\nin 30 s"},
            ("", "", "abstained", "timeout: no answer in 30 s"),
        ),
        ("decision.rejected.a", {"rejected_at": AT, "reason": "no_market"}, ("", "", "rejected", "no_market")),
        ("decision.answered.a", {"answered_at": AT, "why": "cached"}, ("", "", "answered", "cached")),
        (
            "decision.validated.a",
            {
                "validated_at": AT,
                "decision": {"portfolio_rationale": "no trend"},
                "verdicts": [{"asset": name, "action": "hold", "verdict": "accepted"} for name in ("BTCUSDT", "X")],
            },
            ("2 assets", "hold", "hold", "no trend"),
        ),
    ],
)
def test_a_decision_without_an_action_is_one_row(
    subject: str, body: dict[str, Any], wanted: tuple[str, str, str, str]
) -> None:
    (row,) = decision_rows(subject, body)
    assert (row.asset, row.action, row.verdict, row.text) == wanted
    assert row.account == "a"


def test_a_price_knows_its_change_since_the_run_began() -> None:
    assert PriceRow(price=103.0, first=100.0).change_pct == pytest.approx(3.0)


def test_rows_are_values() -> None:
    (row,) = decision_rows("decision.answered.a", {"answered_at": AT, "why": "joined"})
    assert row == DecisionRow(row.at, "a", "", "", "answered", "joined")


def test_holds_in_a_row_become_one_so_that_actions_stay_in_sight() -> None:
    def row(account: str, verdict: str, text: str = "") -> DecisionRow:
        return DecisionRow(datetime(2025, 5, 15, tzinfo=UTC), account, "X", verdict, verdict, text)

    board = Screen("real", "http://x", "key", 60)
    for rows in (
        [row("a", "hold")],
        [row("b", "accepted"), row("b", "denied")],
        [row("a", "hold", "newer")],
        [row("b", "hold")],
        [row("a", "accepted")],
        [row("a", "hold")],
    ):
        board.decided(rows)
    assert [(one.account, one.verdict, one.text, one.times) for one in board.decisions] == [
        ("b", "accepted", "", 1),
        ("b", "denied", "", 1),
        ("a", "hold", "newer", 2),
        ("b", "hold", "", 1),
        ("a", "accepted", "", 1),
        ("a", "hold", "", 1),
    ]


def test_a_hold_is_one_short_line() -> None:
    at = datetime.fromisoformat(AT)
    held = DecisionRow(at, "scalping", "5 assets", "hold", "hold", "Trend rules on 1m/5m: 0 of 5 assets have a trend")
    assert decision_line([held]) == "05-15 03:12:00 scalping: hold (5 assets)"
