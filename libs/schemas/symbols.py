"""Our names of linear perpetuals (BTCUSDT) and the unified ones of ccxt (BTC/USDT:USDT)."""

QUOTES = ("USDT", "USDC", "USD1")


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
