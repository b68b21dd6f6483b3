"""What models write, and what is made of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.decider.domain.parse import Malformed, Parsed, parse
from services.decider.domain.replies import TEXT_LIMIT

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def row(asset: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    plain = {
        "asset": asset,
        "action": "buy",
        "allocation_usd": 500,
        "leverage": 3,
        "tp_price": 99_000,
        "sl_price": 93_000,
        "exit_plan": "target or stop",
        "rationale": "trend",
        "confidence": 70,
        "risk_level": "medium",
    }
    return plain | changes


def body(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plain = {
        "decisions": list(rows) or [row(), row("ETHUSDT")],
        "portfolio_rationale": "two trends",
        "total_allocation_usd": 1_000,
        "portfolio_risk_level": "medium",
    }
    return plain | changes


GOOD = json.dumps(body())
BROKEN = GOOD.replace('"action"', '"actoin"', 1)

READ = [
    ("plain JSON", GOOD),
    ("JSON with blanks around it", f"\n\n  {GOOD}\n"),
    ("indented JSON", json.dumps(body(), indent=2)),
    ("a fenced block", f"Here is my decision:\n```json\n{GOOD}\n```\nGood luck!"),
    ("a fence without a language", f"```\n{GOOD}\n```"),
    ("a fence of another object before it", f'```json\n{{"plan": 1}}\n```\nand\n```json\n{GOOD}\n```'),
    ("prose around it", f"Sure. {GOOD} Let me know."),
    ("reasoning tags before it", f"<think>Maybe {{sell}}? No.</think>\n{GOOD}"),
    ("a draft inside of reasoning tags", f"<think>{BROKEN}</think>{GOOD}"),
    ("reasoning whose begin was cut off", f"I should buy {{now}}.</think>\n{GOOD}"),
    ("two kinds of reasoning tags", f"<reasoning>x</reasoning><thinking>y</thinking>{GOOD}"),
    ("braces in the prose", f"I use {{curly}} words {{a: 1}} and then {GOOD}"),
    ("an object around it", f'{{"result": {GOOD}, "note": "done"}}'),
    ("an answer wholly inside of reasoning tags", f"<think>{GOOD}</think>"),
    ("numbers as strings", GOOD.replace('"confidence": 70', '"confidence": "70"')),
    ("null for what is optional", json.dumps(body(row(limit_price=None, key_factors=None), row("ETHUSDT")))),
    ("a field twice: the last counts", GOOD.replace('"action": "buy"', '"action": "hold", "action": "buy"', 1)),
    ("text in other scripts", json.dumps(body(portfolio_rationale="Предел «рынка» 市場"), ensure_ascii=False)),
]

REFUSED = [
    ("nothing", "", "no JSON object with the field `decisions`"),
    ("prose", "I would buy BTC here.", "no JSON object with the field `decisions`"),
    ("an array", json.dumps([row()]), "no JSON object with the field `decisions`"),
    ("a single asset", json.dumps(row()), "no JSON object with the field `decisions`"),
    ("cut off", GOOD[:-40], "no JSON object with the field `decisions`"),
    ("an unknown field", json.dumps(body(row(stop_loss=1))), "decisions.0.stop_loss: Extra inputs are not permitted"),
    ("a time of its own", json.dumps(body(timestamp="now")), "timestamp: Extra inputs are not permitted"),
    ("a missing field", json.dumps(body({"asset": "BTCUSDT"})), "decisions.0.action: Field required"),
    ("confidence of 170", json.dumps(body(row(confidence=170))), "less than or equal to 100 (given: 170)"),
    ("a negative allocation", json.dumps(body(row(allocation_usd=-5))), "decisions.0.allocation_usd"),
    ("a stop at zero", json.dumps(body(row(sl_price=0))), "decisions.0.sl_price: Input should be greater than 0"),
    ("not a number", GOOD.replace("99000", "NaN"), "decisions.0.tp_price: Input should be a finite number"),
    ("infinity", GOOD.replace("99000", "Infinity"), "decisions.0.tp_price: Input should be a finite number"),
    ("an action of its own", json.dumps(body(row(action="short"))), "decisions.0.action: Input should be 'buy'"),
    ("no decisions", json.dumps(body(decisions=[])), "decisions: Tuple should have at least 1 item"),
    ("decisions as text", json.dumps(body(decisions="buy")), "decisions: Input should be a valid array"),
    ("eleven assets", json.dumps(body(*[row(f"A{n}") for n in range(11)])), "decisions: Tuple should have at most 10"),
    ("none of ours", json.dumps(body(row("DOGEUSDT"))), "none of the assets asked for (BTCUSDT, ETHUSDT)"),
    ("a pair as exchanges write it", json.dumps(body(row("BTC/USDT"))), "decisions.0.asset: String should match"),
    ("an adjustment without a flag", json.dumps(body(row(order_adjustment={}))), "one of adjust_tp, adjust_sl"),
    ("a thousand brackets", "[" * 1000 + '"decisions"', "no JSON object with the field `decisions`"),
    ("deep nesting", '{"a":' * 9_000 + '"decisions"', "no JSON object with the field `decisions`"),
    ("too long", GOOD + " " * TEXT_LIMIT, f"{TEXT_LIMIT} are read at most"),
]


@pytest.mark.parametrize("text", [text for _, text in READ], ids=[name for name, _ in READ])
def test_a_decision_is_found_wherever_it_stands(text: str) -> None:
    found = parse(text, SYMBOLS)
    assert isinstance(found, Parsed), found
    assert [r.asset for r in found.decision.decisions] == ["BTCUSDT", "ETHUSDT"]
    assert (found.decision.decisions[0].action, found.decision.decisions[0].confidence) == ("buy", 70)
    assert (found.missing, found.invented) == ((), ())


@pytest.mark.parametrize(("text", "error"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_no_decision_says_exactly_why(text: str, error: str) -> None:
    found = parse(text, SYMBOLS)
    assert isinstance(found, Malformed), found
    assert any(error in line for line in found.errors), found.errors
    assert all("\n" not in line and len(line) < 600 for line in found.errors)


def test_assets_left_out_are_missing_and_not_held() -> None:
    found = parse(json.dumps(body(row("ETHUSDT"))), SYMBOLS)
    assert isinstance(found, Parsed)
    assert found.missing == ("BTCUSDT",)
    assert [r.asset for r in found.decision.decisions] == ["ETHUSDT"]


def test_invented_assets_are_dropped_and_named() -> None:
    found = parse(json.dumps(body(row(), row("PEPEUSDT"), row("DOGEUSDT"))), SYMBOLS)
    assert isinstance(found, Parsed)
    assert found.invented == ("DOGEUSDT", "PEPEUSDT")
    assert [r.asset for r in found.decision.decisions] == ["BTCUSDT"]


def test_two_entries_for_one_asset_are_left_for_the_rules_to_deny() -> None:
    found = parse(json.dumps(body(row(), row(action="sell"), row("ETHUSDT"))), SYMBOLS)
    assert isinstance(found, Parsed)
    assert [r.action for r in found.decision.decisions] == ["buy", "sell", "buy"]


def test_many_errors_are_counted_not_listed() -> None:
    found = parse(json.dumps(body(*[row(f"A{n}", confidence=101, leverage=0) for n in range(8)])), SYMBOLS)
    assert isinstance(found, Malformed)
    assert (len(found.errors), found.errors[-1]) == (11, "and 7 more")


@given(st.text(max_size=300) | st.text(alphabet='{}[]":,decisons<think>/`\\', max_size=300))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    assert isinstance(parse(text, SYMBOLS), Parsed | Malformed)
    assert isinstance(parse(text + ' "decisions"', SYMBOLS), Parsed | Malformed)


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_value_makes_the_parser_fail(value: Any) -> None:
    assert isinstance(parse(json.dumps({"decisions": value}), SYMBOLS), Malformed)
