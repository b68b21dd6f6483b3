"""Our names of linear perpetuals (BTCUSDT), the unified ones of ccxt (BTC/USDT:USDT), and how others spell them."""

import re
from dataclasses import dataclass
from functools import lru_cache

QUOTES = ("USDT", "USDC", "USD1")
DEFAULT_QUOTE = "USDT"  # of a name that says that it is a perpetual and not in what it is quoted
LONGEST = 40
_SPELLED_QUOTES = (*QUOTES, "USD")
_PERPETUAL = re.compile(r"(?P<gap>[-_/ ]?)(?:PERPETUAL|PERP|SWAP)$|(?P<dot>\.P)$")
_DATED = re.compile(r"[-_ ](?:\d{6}|\d{1,2}[A-Z]{3}\d{2})$")  # BTCUSDT_261225, BTC-26DEC25: contracts that end
_GAPS = re.compile(r"[-_/ ]")
_PLAIN = re.compile(r"[A-Z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Spelling:
    """What a spelling says: `quote` None where it names none. `perpetual` where it says so itself."""

    base: str
    quote: str | None
    perpetual: bool = False


def unified(symbol: str) -> str | None:
    """BTCUSDT -> BTC/USDT:USDT, the linear perpetual; None where no known quote ends it."""
    for quote in QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return f"{symbol.removesuffix(quote)}/{quote}:{quote}"
    return None


def ours(unified_symbol: str) -> str | None:
    """BTC/USDT:USDT -> BTCUSDT; None for what is no linear perpetual."""
    pair, colon, settle = unified_symbol.partition(":")
    base, slash, quote = pair.partition("/")
    return f"{base}{quote}" if colon and slash and quote == settle else None


def spelled(text: str) -> Spelling | None:
    """What a usual spelling of a linear perpetual says, in any case: BTCUSDT, btc-usdt, BTC_USDT, BTC/USDT,
    BTC/USDT:USDT, BTC-USDT-SWAP, BTCUSDT_PERP, BTCUSDT.P, BTC-PERP, BTC. None for what is none: an inverse or dated
    contract (BTC/USD:BTC, BTC/USDT:USDT-261225, BTCUSDT_261225), other signs or letters, nothing at all."""
    upper = text.strip().upper()
    if not upper.isascii() or len(upper) > LONGEST or _DATED.search(upper):
        return None
    pair, colon, settle = upper.partition(":")
    name, perpetual = _without_suffix(pair)
    if not _PLAIN.fullmatch(plain := _GAPS.sub("", name)):
        return None
    base, quote = _split(plain)
    if colon and settle != quote:
        return None
    return Spelling(base, quote, perpetual or bool(colon))


def canonical(text: str) -> str | None:
    """The one name of a market, whichever way it is spelled: BTC-PERP, BTC/USDT:USDT and btcusdt are BTCUSDT.

    A perpetual without a quote is quoted in USDT; a bare name (BTC) stays one, since nobody says what it is. None for
    what `spelled` does not know: refuse it, and say the spelling to use.
    """
    spelling = spelled(text)
    if spelling is None:
        return None
    quote = spelling.quote or (DEFAULT_QUOTE if spelling.perpetual else "")
    return f"{spelling.base}{quote}"


@lru_cache(maxsize=10_000)
def misspelled(symbol: str) -> str | None:
    """The name to use for a symbol that is written in another way; None where it is the name, or nobody knows it."""
    name = canonical(symbol)
    return None if name == symbol else name


def in_our_names(symbols: object) -> object:
    """A list of symbols with each in our spelling, once. What has none stays, for its type to refuse."""
    if not isinstance(symbols, list | tuple):
        return symbols
    names = [(canonical(each) or each) if isinstance(each, str) else each for each in symbols]
    return tuple(name for n, name in enumerate(names) if name not in names[:n])


def _without_suffix(pair: str) -> tuple[str, bool]:
    """The pair without the word for a perpetual; written without a gap it counts only behind a quote (XPERP is a
    name, BTCUSDTPERP is not)."""
    suffix = _PERPETUAL.search(pair)
    if suffix is None or not (name := pair[: suffix.start()]):
        return pair, False
    joined = not suffix.group("gap") and suffix.group("dot") is None
    return (pair, False) if joined and _split(name)[1] is None else (name, True)


def _split(plain: str) -> tuple[str, str | None]:
    quote = next((each for each in _SPELLED_QUOTES if plain.endswith(each) and len(plain) > len(each)), None)
    return (plain.removesuffix(quote), quote) if quote else (plain, None)
