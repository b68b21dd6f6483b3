from typing import Any

import pytest

from cli.ask.counts import Counts
from cli.screen.summary import Summary


def verdict(asset: str, action: str, said: str) -> dict[str, Any]:
    return {"asset": asset, "action": action, "verdict": said, "receipts": []}


LIVE = {"name": "live", "shadow": False}
MIXED = [
    verdict("BTCUSDT", "buy", "accepted"),
    verdict("ETHUSDT", "sell", "clamped"),
    verdict("SOLUSDT", "buy", "denied"),
    verdict("XRPUSDT", "hold", "accepted"),
]
CASES: list[tuple[str, str, dict[str, Any], dict[str, int]]] = [
    (
        "assets with an action are accepted, holds are not",
        "decision.validated.a",
        {"arm": LIVE, "verdicts": MIXED},
        {"decisions": 1, "accepted": 2, "denied": 1},
    ),
    (
        "a rejection may carry denials",
        "decision.rejected.a",
        {"arm": LIVE, "reason": "nothing_passed", "verdicts": [verdict("BTCUSDT", "buy", "denied")]},
        {"decisions": 1, "denied": 1},
    ),
    (
        "an abstention",
        "decision.rejected.a",
        {"arm": LIVE, "reason": "abstained", "abstain_reason": "timeout"},
        {"decisions": 1, "abstained": 1},
    ),
    ("an answer ends a request too", "decision.answered.a", {"why": "cached"}, {"decisions": 1}),
    ("a dry run ends in an evaluation", "decision.evaluated.a", {"arm": LIVE, "verdicts": []}, {"decisions": 1}),
    (
        "a shadow arm is not counted",
        "decision.evaluated.a",
        {"arm": {"name": "b", "shadow": True}, "verdicts": MIXED},
        {},
    ),
    ("a proposal is not the end", "decision.proposed.a", {"arm": LIVE}, {}),
    ("a placed order", "order.placed.a", {}, {"orders": 1}),
    ("a fill", "order.filled.a", {}, {"fills": 1}),
    ("a cancelled order", "order.canceled.a", {}, {}),
    ("a position", "position.opened.a", {}, {}),
    ("a dead letter", "dead.MARKET.context-ticks", {}, {"dead_letters": 1}),
]


@pytest.mark.parametrize(("subject", "body", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_event_is_counted_as_what_it_is(subject: str, body: dict[str, Any], wanted: dict[str, int]) -> None:
    counts = Counts()
    counts.add(subject, body)
    assert counts == Counts(**wanted)


def test_the_summary_as_json_has_the_promised_fields() -> None:
    summary = Summary(
        Counts(ticks=9),
        1,
        "http://127.0.0.1:8080",
        "/s/api_key",
        {"nats": {"version": "2.15.1", "url": "nats://n"}},
        {"feed": {"replicas": 1, "rss_mib": 60.5}},
        "synthetic",
    )
    made = summary.as_json()
    assert list(made) == [
        *("ticks", "contexts", "decisions", "accepted", "denied", "abstained", "orders", "fills", "dead_letters"),
        *("restarts", "gateway_url", "api_key_file", "servers", "workers", "market", "accounts"),
    ]
    assert (made["ticks"], made["market"], made["workers"]["feed"]["replicas"]) == (9, "synthetic", 1)
    assert "9 ticks" in summary.lines(12.4)[0]
