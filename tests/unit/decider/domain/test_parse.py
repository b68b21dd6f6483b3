"""What models write, and what is made of it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decider.domain.parse import Malformed, Parsed, parse
from services.decider.domain.replies import TEXT_LIMIT
from tests.pace import usual

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

TWO = json.dumps(body(row(action="hold"), row("ETHUSDT")))
BY_ASSET = json.dumps(body() | {"decisions": {"BTCUSDT": row() | {"asset": "BTCUSDT"}, "ETHUSDT": row("ETHUSDT")}})
UNNAMED = {name: {k: v for k, v in row(name).items() if k != "asset"} for name in SYMBOLS}


def changed(old: str, new: str) -> str:
    """The good answer with its first mention of `old` replaced."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


# name, text, and a piece of the note that must be left (None: nothing had to be understood)
READ: list[tuple[str, str, str | None]] = [
    ("plain JSON", GOOD, None),
    ("JSON with blanks around it", f"\n\n  {GOOD}\n", None),
    ("indented JSON", json.dumps(body(), indent=2), None),
    ("a byte order mark", f"\ufeff{GOOD}", None),
    ("a fenced block", f"Here is my decision:\n```json\n{GOOD}\n```\nGood luck!", None),
    ("a fence without a language", f"```\n{GOOD}\n```", None),
    ("a fence with another language", f"```javascript\n{GOOD}\n```", None),
    ("a fence with Windows line ends", f"```json\r\n{GOOD}\r\n```", None),
    ("a fence that never ends", f"```json\n{GOOD}", None),
    ("a fence of another object before it", f'```json\n{{"plan": 1}}\n```\nand\n```json\n{GOOD}\n```', None),
    ("the same decision twice", f"{GOOD}\n\nIn short:\n```json\n{json.dumps(body(), indent=1)}\n```", None),
    ("prose around it", f"Sure. {GOOD} Let me know.", None),
    ("prose with apostrophes and quotes", f'I\'d say "it\'s time": {GOOD} That\'s "all".', None),
    ("prose in another language", f"Вот моё решение: {GOOD} 以上です。", None),
    ("a heading", f"## Decision\n\n{GOOD}", None),
    ("a label before it", f"JSON: {GOOD}", None),
    ("reasoning tags before it", f"<think>Maybe {{sell}}? No.</think>\n{GOOD}", None),
    ("reasoning tags in capitals", f"<THINK>hm</THINK>{GOOD}", None),
    ("a draft inside of reasoning tags", f"<think>{BROKEN}</think>{GOOD}", None),
    ("another decision inside of reasoning tags", f"<think>{TWO}</think>{GOOD}", None),
    ("reasoning whose begin was cut off", f"I should buy {{now}}.</think>\n{GOOD}", None),
    ("two kinds of reasoning tags", f"<reasoning>x</reasoning><thinking>y</thinking>{GOOD}", None),
    ("reasoning tags after it that never end", f"{GOOD}\n<think>was that right?", None),
    ("braces in the prose", f"I use {{curly}} words {{a: 1}} and then {GOOD}", None),
    ("an object around it", f'{{"result": {GOOD}, "note": "done"}}', None),
    ("an object named after the schema", f'{{"TradingDecision": {GOOD}}}', None),
    ("two objects around it", f'{{"response": {{"output": {GOOD}}}}}', None),
    ("an answer wholly inside of reasoning tags", f"<think>{GOOD}</think>", "inside of reasoning tags"),
    ("numbers as strings", changed('"confidence": 70', '"confidence": "70"'), "read as '70.0'"),
    ("a confidence with a percent sign", changed('"confidence": 70', '"confidence": "70%"'), "'70%' was read"),
    ("a price with thousands", changed("99000", '"99,000.00"'), "'99,000.00' was read as '99000.0'"),
    ("an allocation with a dollar sign", changed('usd": 500', 'usd": "$500"'), "'$500' was read as '500.0'"),
    ("an allocation with its currency", changed('usd": 500', 'usd": "500 USDT"'), "was read as '500.0'"),
    ("a leverage with an x", changed('"leverage": 3', '"leverage": "3x"'), "'3x' was read as '3.0'"),
    ("an action in capitals", changed('"buy"', '"BUY"'), "'BUY' was read as 'buy'"),
    ("a risk level in capitals", changed('"medium"', '"Medium"'), "'Medium' was read as 'medium'"),
    ("a symbol as ccxt writes it", changed('"BTCUSDT"', '"BTC/USDT:USDT"'), "was read as 'BTCUSDT'"),
    ("a symbol with a dash", changed('"BTCUSDT"', '"btc-usdt"'), "'btc-usdt' was read as 'BTCUSDT'"),
    ("a base asset alone", changed('"BTCUSDT"', '"BTC"'), "'BTC' was read as 'BTCUSDT'"),
    ("a perpetual by name", changed('"BTCUSDT"', '"BTC-PERP"'), "'BTC-PERP' was read as 'BTCUSDT'"),
    ("null for what is optional", json.dumps(body(row(limit_price=None, key_factors=None), row("ETHUSDT"))), None),
    ("null flags", json.dumps(body(row(order_adjustment=None), row("ETHUSDT", allocation_usd=None))), None),
    ("one factor instead of a list", json.dumps(body(row(key_factors="trend"), row("ETHUSDT"))), "key_factors"),
    ("six factors", json.dumps(body(row(key_factors=list("abcdef")), row("ETHUSDT"))), "key_factors"),
    ("decisions by asset", BY_ASSET, "a mapping by asset"),
    ("decisions by asset without their names", json.dumps(body() | {"decisions": UNNAMED}), "a mapping by asset"),
    ("a comma too many", GOOD.replace("]", ",]"), "commas at an end"),
    ("a comma too many in a fence", f"```json\n{GOOD[:-1]},}}\n```", "commas at an end"),
    ("comments", GOOD.replace('"exit_plan"', '// the plan\n"exit_plan"'), "comments"),
    ("comments of the other kind", GOOD.replace('"exit_plan"', '/* the plan */ "exit_plan"'), "comments"),
    ("Python's None", changed('"leverage": 3', '"limit_price": None, "leverage": 3'), "the word None"),
    ("single quotes", str(body()), "single quotes"),
    ("single quotes with a double one inside", str(body(portfolio_rationale='a "good" day')), "single quotes"),
    ("line breaks in a text", changed("two trends", "two\ntrends"), None),
    ("a tab in a text", changed("two trends", "two\ttrends"), None),
    ("slashes and hashes in a text", changed("two trends", "see // and # and , }"), None),
    ("a field twice with one value", changed('"action": "buy"', '"action": "buy", "action": "buy"'), None),
    ("text in other scripts", json.dumps(body(portfolio_rationale="Предел «рынка» 市場"), ensure_ascii=False), None),
    ("an escaped surrogate pair", changed("two trends", "\\ud83d\\ude80 trends"), None),
]

REFUSED = [
    ("nothing", "", "no JSON object with the field `decisions`"),
    ("blanks", " \n\t ", "no JSON object with the field `decisions`"),
    ("prose", "I would buy BTC here.", "no JSON object with the field `decisions`"),
    ("a refusal", "I'm sorry, but I can't give financial advice.", "no JSON object with the field `decisions`"),
    ("an array", json.dumps([row()]), "it is a list; put it into"),
    ("an array in a fence", f"```json\n{json.dumps([row()])}\n```", "it is a list; put it into"),
    ("a single asset", json.dumps(row()), "it is the entry of one asset"),
    ("cut off", GOOD[:-40], "it is cut off, or no JSON"),
    ("cut off after the first entry", GOOD[: GOOD.index("ETHUSDT")], "it is cut off, or no JSON"),
    ("reasoning that never ends", f"<think>let me see {GOOD}", "all of it is reasoning"),
    ("only reasoning", "<think>buy?</think>", "no JSON object with the field `decisions`"),
    ("two decisions", f"{TWO}\nor rather\n{GOOD}", "2 different decisions; give one"),
    ("two decisions in fences", f"```json\n{TWO}\n```\nor\n```json\n{GOOD}\n```", "2 different decisions"),
    ("a field twice", changed('"action": "buy"', '"action": "hold", "action": "buy"'), "`action` is there twice"),
    ("YAML", "decisions:\n  - asset: BTCUSDT\n    action: buy", "no JSON object with the field `decisions`"),
    ("XML", "<decisions><asset>BTCUSDT</asset></decisions>", "no JSON object with the field `decisions`"),
    ("an unknown field", json.dumps(body(row(stop_loss=1))), "decisions.0.stop_loss: Extra inputs are not permitted"),
    ("a time of its own", json.dumps(body(timestamp="now")), "timestamp: Extra inputs are not permitted"),
    ("an id of its own", json.dumps(body(decision_id="x")), "decision_id: Extra inputs are not permitted"),
    ("a missing field", json.dumps(body({"asset": "BTCUSDT"})), "decisions.0.action: Field required"),
    ("no rationale of the portfolio", GOOD.replace("portfolio_rationale", "rationale"), "portfolio_rationale: Field"),
    ("confidence of 170", json.dumps(body(row(confidence=170))), "less than or equal to 100 (given: 170"),
    ("a negative allocation", json.dumps(body(row(allocation_usd=-5))), "decisions.0.allocation_usd"),
    ("a negative allocation as text", json.dumps(body(row(allocation_usd="-$5"))), "decisions.0.allocation_usd"),
    ("a leverage of zero", json.dumps(body(row(leverage=0))), "decisions.0.leverage"),
    ("a stop at zero", json.dumps(body(row(sl_price=0))), "decisions.0.sl_price: Input should be greater than 0"),
    ("not a number", changed("99000", "NaN"), "decisions.0.tp_price: Input should be a finite number"),
    ("infinity", changed("99000", "Infinity"), "decisions.0.tp_price: Input should be a finite number"),
    ("a number beyond all numbers", changed("99000", "1e400"), "decisions.0.tp_price: Input should be a finite number"),
    ("an integer of 5000 digits", changed("99000", "9" * 5_000), "it is cut off, or no JSON"),
    ("a decimal comma", changed("99000", '"99000,5"'), "decisions.0.tp_price: Input should be a valid number"),
    (
        "a number in words",
        changed("99000", '"ninety thousand"'),
        "decisions.0.tp_price: Input should be a valid number",
    ),
    ("a share of dollars", changed('usd": 500', 'usd": "5%"'), "decisions.0.allocation_usd: Input should be a valid"),
    ("a range", changed("99000", '"98000-99000"'), "decisions.0.tp_price: Input should be a valid number"),
    ("true for a number", changed("99000", "true"), "decisions.0.tp_price: Input should be a valid number"),
    ("a list for a number", changed("99000", "[99000]"), "decisions.0.tp_price: Input should be a valid number"),
    ("an action of its own", json.dumps(body(row(action="short"))), "decisions.0.action: Input should be 'buy'"),
    ("an action in another language", json.dumps(body(row(action="kaufen"))), "decisions.0.action: Input should be"),
    ("an action that is nearly one", json.dumps(body(row(action="close"))), "decisions.0.action: Input should be"),
    ("an empty action", json.dumps(body(row(action=""))), "decisions.0.action: Input should be 'buy'"),
    ("a risk level of its own", json.dumps(body(row(risk_level="extreme"))), "decisions.0.risk_level: Input should be"),
    ("no decisions", json.dumps(body(decisions=[])), "decisions: Array should have at least 1 item"),
    ("decisions as text", json.dumps(body(decisions="buy")), "decisions: Input should be a valid array"),
    ("decisions of texts", json.dumps(body(decisions=["buy BTC"])), "decisions.0: Input should be"),
    ("eleven assets", json.dumps(body(*[row(f"A{n}") for n in range(11)])), "decisions: Array should have at most 10"),
    ("none of ours", json.dumps(body(row("DOGEUSDT"))), "none of the assets asked for (BTCUSDT, ETHUSDT)"),
    ("a pair of another quote", json.dumps(body(row("BTC/EUR"))), "decisions.0.asset: String should match"),
    ("an adjustment without a flag", json.dumps(body(row(order_adjustment={}))), "one of adjust_tp, adjust_sl"),
    ("an empty object", "{}", "no JSON object with the field `decisions`"),
    ("null", "null", "no JSON object with the field `decisions`"),
    ("a thousand brackets", "[" * 1000 + '"decisions"', "no JSON object with the field `decisions`"),
    ("deep nesting", '{"a":' * 9_000 + '"decisions"', "no JSON object with the field `decisions`"),
    ("deep nesting that is whole", '{"decisions":' * 900 + "1" + "}" * 900, "it is cut off, or no JSON"),
    ("too long", GOOD + " " * TEXT_LIMIT, f"more than the {TEXT_LIMIT} characters that are read"),
]


@pytest.mark.parametrize(("text", "note"), [r[1:] for r in READ], ids=[r[0] for r in READ])
def test_a_decision_is_found_wherever_it_stands(text: str, note: str | None) -> None:
    found = parse(text, SYMBOLS)
    assert isinstance(found, Parsed), found
    assert [r.asset for r in found.decision.decisions] == ["BTCUSDT", "ETHUSDT"]
    first = found.decision.decisions[0]
    assert (first.action, first.confidence, first.allocation_usd, first.leverage) == ("buy", 70, 500, 3)
    assert (first.tp_price, first.risk_level) == (99_000, "medium")
    assert (found.missing, found.invented) == ((), ())
    assert (not found.notes) if note is None else any(note in said for said in found.notes), found.notes


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


HOSTILE = {
    "open braces": "{" * TEXT_LIMIT,
    "open fences": "```json\n" * (TEXT_LIMIT // 8),
    "open tags": "<think>" * (TEXT_LIMIT // 7),
    "tags without an end": "<think " * (TEXT_LIMIT // 7),
    "quotes": "\"'" * (TEXT_LIMIT // 2),
    "backslashes": '{"' + "\\" * (TEXT_LIMIT - 10),
    "objects": '{"decisions":1}' * (TEXT_LIMIT // 16),
    "commas": "{" + ", " * (TEXT_LIMIT // 2 - 2),
    "comments": "/*" * (TEXT_LIMIT // 2),
    "closing tags": "</think>" * (TEXT_LIMIT // 8),
    "blanks": '{"decisions": ' + " " * (TEXT_LIMIT - 30) + "x}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_long_to_read(text: str) -> None:
    """Every step is linear. The bound is wide for slow machines: what is quadratic takes minutes."""
    begin = time.process_time()
    assert isinstance(parse(text, SYMBOLS), Malformed)
    took = time.process_time() - begin
    assert took < 1 or usual(took) < 1


@given(st.text(max_size=300) | st.text(alphabet='{}[]":,decisons<think>/`\\', max_size=300))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    assert isinstance(parse(text, SYMBOLS), Parsed | Malformed)
    assert isinstance(parse(text + ' "decisions"', SYMBOLS), Parsed | Malformed)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_value_makes_the_parser_fail(value: Any) -> None:
    assert isinstance(parse(json.dumps({"decisions": value}), SYMBOLS), Malformed)
