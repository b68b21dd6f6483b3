"""One bad entry does not void the rest: what means none is none, what nobody asked for goes, shares are percent."""

import json
from typing import Any

import pytest

from services.decider.domain.parse import Malformed, Parsed, parse

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def hold(asset: str = "ETHUSDT", **changes: Any) -> dict[str, Any]:
    return {
        "asset": asset,
        "action": "hold",
        "exit_plan": "none",
        "rationale": "flat",
        "confidence": 55,
        "risk_level": "low",
    } | changes


def buy(asset: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    entry = {"action": "buy", "allocation_usd": 400, "leverage": 4, "tp_price": 99_000, "sl_price": 93_000}
    return hold(asset, **(entry | changes))


def read(*entries: Any) -> Parsed | Malformed:
    body = {"portfolio_rationale": "p", "total_allocation_usd": 400, "portfolio_risk_level": "low"}
    return parse(json.dumps(body | {"decisions": list(entries)}), SYMBOLS)


FLAGS = {"adjust_tp": False, "adjust_sl": False, "cancel_tp": False, "cancel_sl": False}
MOVED = {"adjust_sl": True, "new_sl_price": 94_000}
# an entry whose action has no use for a field, the field, and what is written there (C07 is of shared/cases)
NONE: list[tuple[str, dict[str, Any], str]] = [
    ("C07: a leverage of 0 beside a good buy", hold(leverage=0.0), "leverage"),
    ("a stop of 0", hold(sl_price=0), "sl_price"),
    ("a limit of 0 as text", hold(limit_price="0"), "limit_price"),
    ("a target of nothing", hold(tp_price=""), "tp_price"),
    ("a target that is not applicable", hold(tp_price="N/A"), "tp_price"),
    ("a leverage of none", hold(leverage="none"), "leverage"),
    ("a leverage of 0x", hold(leverage="0x"), "leverage"),
    ("nof1's empty fields at a close", hold(action="close_position", leverage=0, tp_price=0, sl_price=0), "sl_price"),
    ("an adjustment of orders that adjusts none (strict schemas ask for it)",
     hold(order_adjustment=FLAGS | {"new_sl_price": 0}), "order_adjustment"),
    ("an adjustment of a position by nothing",
     hold(position_adjustment={"adjustment_type": "increase", "adjustment_amount_usd": 0}), "position_adjustment"),
    ("an adjustment that is no object", hold(order_adjustment="null"), "order_adjustment"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "field"), [n[1:] for n in NONE], ids=[n[0] for n in NONE])
def test_zero_and_nothing_mean_none_where_the_action_has_no_use_for_them(entry: dict[str, Any], field: str) -> None:
    found = read(buy(), entry)
    assert isinstance(found, Parsed), found
    assert [e.action for e in found.decision.decisions] == ["buy", entry["action"]]
    assert getattr(found.decision.decisions[1], field) is None
    assert any(f"decisions.1.{field}" in note and "none" in note for note in found.notes), found.notes


def test_null_means_none_and_is_no_matter() -> None:
    found = read(buy(), hold(leverage=None, tp_price=None, sl_price=None, position_adjustment=None))
    assert isinstance(found, Parsed)
    assert found.notes == ()


def test_an_unused_price_of_an_adjustment_of_orders_means_none() -> None:
    found = read(buy(), hold(action="adjust_orders", order_adjustment=FLAGS | MOVED | {"new_tp_price": 0}))
    assert isinstance(found, Parsed), found
    adjustment = found.decision.decisions[1].order_adjustment
    assert adjustment is not None
    assert (adjustment.new_sl_price, adjustment.new_tp_price) == (94_000, None)


WANTED = [
    ("the stop of a buy", buy(sl_price=0), "decisions.0.sl_price"),
    ("the leverage of a sell", buy(action="sell", leverage=0), "decisions.0.leverage"),
    ("the limit of a buy", buy(limit_price=0), "decisions.0.limit_price"),
    ("a price that is to be moved",
     hold("BTCUSDT", action="adjust_orders", order_adjustment=MOVED | {"new_sl_price": 0}),
     "decisions.0.order_adjustment.new_sl_price"),
    ("an amount that is to be added",
     hold("BTCUSDT", action="adjust_position",
          position_adjustment={"adjustment_type": "increase", "adjustment_amount_usd": 0}),
     "decisions.0.position_adjustment.adjustment_amount_usd"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "place"), [w[1:] for w in WANTED], ids=[w[0] for w in WANTED])
def test_zero_is_refused_where_the_action_needs_a_number(entry: dict[str, Any], place: str) -> None:
    found = read(entry, hold())
    assert isinstance(found, Malformed)
    assert any(line.startswith(place) for line in found.errors), found.errors


# what nobody asked for, however it is spelled and whatever else is wrong with it
INVENTED: list[tuple[str, dict[str, Any], str]] = [
    ("a remainder in cash", hold("USDT (cash)"), "USDT (cash)"),
    ("a thousand of a coin", hold("1000BONK/USDT:USDT"), "1000BONK/USDT:USDT"),
    ("a place and a name", hold("NASDAQ:TSLA"), "NASDAQ:TSLA"),
    ("a name in another script", hold("現金"), "現金"),
    ("a sentence", hold("everything else, as discussed above, for the moment"), "everything else, as discussed above"),
    ("nothing", hold(""), ""),
    ("an entry that is wrong besides", buy("SOLUSDT", leverage=900, confidence=101, stop=1), "SOLUSDT"),
    ("a dated contract, with C23's action", hold("ETH/USDT:USDT-261225", action="buy or hold"), "ETH/USDT:USDT-261225"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "name"), [i[1:] for i in INVENTED], ids=[i[0] for i in INVENTED])
def test_what_nobody_asked_for_is_dropped_with_a_receipt(entry: dict[str, Any], name: str) -> None:
    found = read(buy(), entry, hold())
    assert isinstance(found, Parsed), found
    assert [e.asset for e in found.decision.decisions] == ["BTCUSDT", "ETHUSDT"]
    assert (found.invented[0][: len(name)], len(found.invented), found.missing) == (name, 1, ())


def test_ten_entries_of_ours_and_five_of_nobodys_are_not_too_many() -> None:
    found = read(buy(), hold(), *[hold(f"X{n}USDT") for n in range(12)])
    assert isinstance(found, Parsed)
    assert len(found.invented) == 12


SPELLINGS = ["eth", "ETH-PERP", "eth_usdt", "ETH/USDT:USDT", "ETHUSDT.P", "ETH-USDT-SWAP", " ethusdt "]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_asset_is_known_by_its_usual_spellings(spelling: str) -> None:
    found = read(buy(), hold(spelling))
    assert isinstance(found, Parsed), found
    assert [e.asset for e in found.decision.decisions] == ["BTCUSDT", "ETHUSDT"]


HALVES = [
    ("a first half alone", "up \\ud83d and on"),
    ("a second half alone", "up \\ude80 and on"),
    ("halves in the wrong order", "\\ude80\\ud83d"),
    ("a half at the end", "up\\ud83d"),
    ("a half behind an escaped backslash", "\\\\\\ud83d"),
    ("a half as it is", "up \ud83d"),
]


@pytest.mark.parametrize("words", [h[1] for h in HALVES], ids=[h[0] for h in HALVES])
def test_half_a_character_is_replaced_and_told(words: str) -> None:
    body = {"portfolio_rationale": "WORDS", "total_allocation_usd": 0, "portfolio_risk_level": "low"}
    text = json.dumps(body | {"decisions": [hold("BTCUSDT"), hold()]}).replace("WORDS", words)
    found = parse(text, SYMBOLS)
    assert isinstance(found, Parsed), found
    assert "?" in found.decision.portfolio_rationale
    assert found.decision.model_dump_json()
    assert "half a character was replaced by ?" in found.notes


def test_whole_characters_and_what_looks_like_half_a_one_stay() -> None:
    body = {"portfolio_rationale": "WORDS", "total_allocation_usd": 0, "portfolio_risk_level": "low"}
    text = json.dumps(body | {"decisions": [hold("BTCUSDT"), hold()]}).replace("WORDS", "\\ud83d\\ude80 \\\\ud83d")
    found = parse(text, SYMBOLS)
    assert isinstance(found, Parsed)
    assert (found.decision.portfolio_rationale, found.notes) == ("🚀 \\ud83d", ())


# confidences of the two entries, and what they are read as (C16 is of shared/cases)
SHARES: list[tuple[str, tuple[Any, Any], tuple[float, float]]] = [
    ("C16: shares alone", (0.71, 0.48), (71, 48)),
    ("shares as text", ("0.71", "0.48"), (71, 48)),
    ("a share and certainty", (0.9, 1), (90, 100)),
    ("a share and none", (0.35, 0), (35, 0)),
    ("a share that no float holds", (0.29, 0.57), (29, 57)),
    ("percentages", (71, 48.5), (71, 48.5)),
    ("a percentage that says so", ("0.5%", 40), (0.5, 40)),
    ("one percent among others", (64, 1), (64, 1)),
]
DOUBTFUL: list[tuple[str, tuple[Any, Any], str]] = [
    ("a share beside a percentage", (0.71, 48), "decisions.0.confidence: 0.71 can be a share of 1 or a percentage"),
    ("a percentage beside a share", (71, 0.48), "decisions.1.confidence: 0.48 can be"),
    ("1 alone", (1, 1), "decisions.0.confidence: 1 can be"),
    ("1 beside 0", (1, 0), "decisions.0.confidence: 1 can be"),
    ("a buy with none", (0, 40), "decisions.0.confidence: an entry (buy) with confidence 0 makes no sense"),
    ("a buy with none in percent", ("0%", 40), "an entry (buy) with confidence 0"),
]


@pytest.mark.parametrize(("given", "read_as"), [s[1:] for s in SHARES], ids=[s[0] for s in SHARES])
def test_confidences_are_percentages_or_shares_that_are_beyond_doubt(
    given: tuple[Any, Any], read_as: tuple[float, float]
) -> None:
    found = read(buy(confidence=given[0]), hold(confidence=given[1]))
    assert isinstance(found, Parsed), found
    assert tuple(e.confidence for e in found.decision.decisions) == read_as
    scaled = read_as[0] != given[0] and read_as[0] > 1
    assert any("a share of 1 like all the others" in note for note in found.notes) == scaled


@pytest.mark.parametrize(("given", "error"), [d[1:] for d in DOUBTFUL], ids=[d[0] for d in DOUBTFUL])
def test_a_confidence_with_two_readings_is_asked_for_again(given: tuple[Any, Any], error: str) -> None:
    found = read(buy(confidence=given[0]), hold(confidence=given[1]))
    assert isinstance(found, Malformed), found
    assert any(error in line for line in found.errors), found.errors


def test_a_hold_may_have_no_confidence_at_all() -> None:
    found = read(buy(confidence=60), hold(confidence=0))
    assert isinstance(found, Parsed)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("C23: an action of two readings", hold(action="buy or hold")),
    ("C02: a stop of two readings", buy("ETHUSDT", sl_price="1,800 ~ 1,900")),
    ("a field of its own", hold(stop_loss=1)),
    ("no reason", {key: value for key, value in hold().items() if key != "rationale"}),
    ("a confidence with two readings", hold(confidence=0.4)),
    ("a buy that is sure of nothing", buy("ETHUSDT", confidence=0)),
]


@pytest.mark.parametrize("entry", [b[1] for b in BAD], ids=[b[0] for b in BAD])
def test_an_entry_that_is_wrong_leaves_the_rest_for_when_nobody_puts_it_right(entry: dict[str, Any]) -> None:
    found = read(buy(), entry)
    assert isinstance(found, Malformed)
    assert all(line.startswith("decisions.1.") for line in found.errors)
    assert found.rest is not None
    assert [e.asset for e in found.rest.decision.decisions] == ["BTCUSDT"]
    assert found.rest.missing == ("ETHUSDT",)


def test_of_an_asset_with_a_wrong_entry_no_other_counts() -> None:
    found = read(buy(), hold("BTCUSDT", action="buy or sell"), hold())
    assert isinstance(found, Malformed)
    assert found.rest is not None
    assert [e.asset for e in found.rest.decision.decisions] == ["ETHUSDT"]


@pytest.mark.parametrize("entries", [[hold(action="x")], ["buy BTC", hold()], [hold(action="x"), buy(leverage=0)]])
def test_where_nothing_is_right_or_an_entry_is_none_there_is_no_rest(entries: list[Any]) -> None:
    found = read(*entries)
    assert isinstance(found, Malformed)
    assert found.rest is None


def test_what_is_wrong_with_the_whole_leaves_no_rest() -> None:
    body = {"total_allocation_usd": 400, "portfolio_risk_level": "low", "decisions": [buy(), hold(action="x")]}
    found = parse(json.dumps(body), SYMBOLS)
    assert isinstance(found, Malformed)
    assert found.rest is None
