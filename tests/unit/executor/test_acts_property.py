"""Whatever acts come, none opens or enlarges anything or widens a stop."""

from datetime import timedelta
from decimal import Decimal as D

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import executor_values as values
from tests.forms import examples
from tests.unit.executor.test_acts import Hand, hand

SHARES = st.decimals("0.001", 1, places=3)


PRICES = st.integers(47_000, 54_000).map(str)


ACTS = st.one_of(
    st.builds(lambda share: {"kind": "close", "symbol": "BTCUSDT", "share": str(share)}, SHARES),
    st.builds(lambda price: {"kind": "stop", "symbol": "BTCUSDT", "price": price}, PRICES),
    st.builds(lambda price: {"kind": "target", "symbol": "BTCUSDT", "price": price}, PRICES),
    st.just({"kind": "cancel"}),
)


MOVES = st.lists(st.one_of(ACTS, st.integers(48_000, 52_500).map(float), st.just("entry")), max_size=12)


@examples(30, 2_000)
@given(MOVES, st.sampled_from(["buy", "sell"]))
async def test_no_act_opens_or_enlarges_anything_or_widens_a_stop(
    moves: list[dict[str, object] | float | str], side: str
) -> None:
    by_hand = await hand(position=False)
    levels = {"stop": D(51_000), "target": D(48_000)} if side == "sell" else {}
    await by_hand.decide("dec-1", action=side, **levels)
    for n, move in enumerate(moves):
        if isinstance(move, float):
            await by_hand.tick(move)
        elif isinstance(move, str):
            await by_hand.rest(f"more-{n}")
        else:
            await _acted(by_hand, move)


async def _acted(by_hand: Hand, act: dict[str, object]) -> None:
    entries, size, held = by_hand.entries(), by_hand.size, by_hand.book.positions.get(values.SYMBOL)
    if act["kind"] == "cancel":
        act = act | {"client_order_id": entries[0] if entries else "f" * 32}
    by_hand.ports.clock.advance(timedelta(milliseconds=1).total_seconds())
    await by_hand.act(act)
    assert by_hand.size <= size
    assert set(by_hand.entries()) <= set(entries)
    now = by_hand.book.positions.get(values.SYMBOL)
    if now is None or held is None:
        assert now is None
        return
    assert now.position.side == held.position.side
    before, after = held.position.stop_loss, now.position.stop_loss
    if before is not None:
        assert after is not None
        assert after >= before if now.position.side == "long" else after <= before
