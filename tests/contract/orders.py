"""Orders of the contract suite: numbered, of one symbol and one decision."""

from decimal import Decimal

from libs.schemas import ids
from libs.schemas.account import Leg, OrderType, Side, TimeInForce
from services.executor.domain.book import WorkingOrder
from services.executor.ports.venues import Stored, Submittable
from tests import builders
from tests.fakes import executor_values as values

ACCOUNT = "main"
SYMBOL = values.SYMBOL


def order(
    n: int,
    side: Side = "buy",
    kind: OrderType = "market",
    quantity: str = "0.1",
    *,
    leg: Leg = "entry",
    price: str | None = None,
    stop: str | None = None,
    tif: TimeInForce = "gtc",
    leverage: str = "10",
) -> Submittable:
    """Order number `n` of BTCUSDT, stored; exits only reduce."""
    intent = builders.intent(
        client_order_id=client_id(n),
        account_id=ACCOUNT,
        symbol=SYMBOL,
        side=side,
        type=kind,
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        stop_price=None if stop is None else Decimal(stop),
        time_in_force=tif,
        reduce_only=leg != "entry",
        leg=leg,
        seq=n,
    )
    return Stored(WorkingOrder(intent, "cor-1", values.NOW, Decimal(leverage), Decimal(60_000)))


def client_id(n: int) -> str:
    return ids.client_order_id(ACCOUNT, "dec-1", SYMBOL, "entry", n)
