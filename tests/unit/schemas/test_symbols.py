"""One market has one name, however it is spelled; what is another market, or none, is not taken for it."""

import pytest

from libs.schemas.symbols import Spelling, canonical, ours, spelled, unified

SPELLED = [
    ("ours", "ETHUSDT", "ETHUSDT"),
    ("small letters", "ethusdt", "ETHUSDT"),
    ("blanks around", "  solusdt\n", "SOLUSDT"),
    ("ccxt's linear perpetual", "ETH/USDT:USDT", "ETHUSDT"),
    ("ccxt's in USDC", "kPEPE/USDC:USDC", "KPEPEUSDC"),
    ("a thousand at once", "1000SHIB/USDT:USDT", "1000SHIBUSDT"),
    ("the LUNA of before May 2022, as Binance calls it since", "1000LUNC/USDT:USDT", "1000LUNCUSDT"),
    ("the LUNA of 28 May 2022", "LUNA2/USDT:USDT", "LUNA2USDT"),
    ("a pair", "SOL/USDT", "SOLUSDT"),
    ("a dash", "eth-usdt", "ETHUSDT"),
    ("an underscore (Gate)", "XRP_USDT", "XRPUSDT"),
    ("OKX", "ETH-USDT-SWAP", "ETHUSDT"),
    ("Binance's suffix", "ETHUSDT_PERP", "ETHUSDT"),
    ("a suffix without a gap", "ETHUSDTPERP", "ETHUSDT"),
    ("TradingView", "ETHUSDT.P", "ETHUSDT"),
    ("a perpetual without a quote", "SOL-PERP", "SOLUSDT"),
    ("a perpetual by its long name", "eth perpetual", "ETHUSDT"),
    ("a perpetual in dollars", "ETH-USD-PERP", "ETHUSD"),
    ("a perpetual in USDC", "ETH/USDC-PERP", "ETHUSDC"),
    ("a bare name stays one", "sol", "SOL"),
    ("a coin that is called PERP", "PERPUSDT", "PERPUSDT"),
    ("the coin PERP as a perpetual", "PERP-PERP", "PERPUSDT"),
    ("a name that ends like the suffix", "XPERP", "XPERP"),
]
REFUSED = [
    ("nothing", ""),
    ("blanks", "   "),
    ("an inverse contract", "ETH/USD:ETH"),
    ("a dated contract", "ETH/USDT:USDT-261225"),
    ("a settlement in another currency", "ETH/USDT:USDC"),
    ("a place before the name", "BINANCE:ETHUSDT"),
    ("brackets", "CASH (USD)"),
    ("letters that look alike", "ЕTHUSDT"),  # a Cyrillic first letter
    ("full width", "ＥＴＨUSDT"),
    ("a wildcard", "ETH*"),
    ("a subject", "market.ETHUSDT"),
    ("too long", "A" * 41),
    ("two pairs", "ETH/USDT,SOL/USDT"),
]


@pytest.mark.parametrize(("text", "name"), [s[1:] for s in SPELLED], ids=[s[0] for s in SPELLED])
def test_the_usual_spellings_of_a_market_are_one_name(text: str, name: str) -> None:
    assert canonical(text) == name
    assert canonical(name) == name  # a name stays itself


@pytest.mark.parametrize("text", [r[1] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_another_market_or_none_is_not_taken_for_one(text: str) -> None:
    assert canonical(text) is None


def test_a_spelling_says_what_it_names_and_what_not() -> None:
    assert spelled("eth-perp") == Spelling("ETH", None, perpetual=True)
    assert spelled("eth") == Spelling("ETH", None)
    assert spelled("ETH/USDT:USDT") == Spelling("ETH", "USDT", perpetual=True)


@pytest.mark.parametrize("name", ["ETHUSDT", "1000SHIBUSDC", "DOGEUSD1"])
def test_our_names_and_ccxts_go_both_ways_and_have_one_canonical_name(name: str) -> None:
    there = unified(name)
    assert there is not None
    assert ours(there) == canonical(there) == name
