"""Base classes and bounded types that every wire model is made of."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from libs.schemas.names import KEY_PATTERN, Key
from libs.schemas.symbols import in_our_names

ID_PATTERN = r"^[A-Za-z0-9_.:|-]{1,160}$"
ORDER_ID = re.compile(r"^[0-9a-f]{32}$")
BIG = Decimal("1e15")  # no money or quantity field goes beyond it: larger numbers are mistakes

Symbol = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]
# People spell a market in several ways: all of them are one name.
Symbols = Annotated[tuple[Symbol, ...], BeforeValidator(in_our_names), Field(min_length=1, max_length=10)]
AccountId = Annotated[Key, StringConstraints(pattern=KEY_PATTERN)]
StrategyId = Annotated[Key, StringConstraints(pattern=KEY_PATTERN)]
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
ClientOrderId = Annotated[str, StringConstraints(pattern=ORDER_ID.pattern)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
ModelChain = Annotated[str, StringConstraints(min_length=1, max_length=500)]  # a model, or "a,b,c" in order
ShortText = Annotated[str, StringConstraints(max_length=500)]
Text = Annotated[str, StringConstraints(max_length=4_000)]
LongText = Annotated[str, StringConstraints(max_length=200_000)]


def _utc(value: datetime) -> datetime:
    try:
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    except OverflowError:  # pydantic takes only a ValueError for a refusal
        raise ValueError("the time is out of range in UTC") from None


Utc = Annotated[AwareDatetime, AfterValidator(_utc)]


def plain(value: Decimal) -> str:
    """A number as people write it, in JSON too: `0.00000001`, `0`; never `1E-8`, `0E-8`, `-0`."""
    return f"{value:f}" if value else "0"


# A lambda tells pydantic no type of its own: the JSON schema stays that of a Decimal.
PLAIN = PlainSerializer(lambda value: plain(value), when_used="json-unless-none")
Number = Annotated[Decimal, PLAIN]

Price = Annotated[float, Field(gt=0, lt=1e15)]
NonNegative = Annotated[float, Field(ge=0, lt=1e18)]
Percent = Annotated[float, Field(ge=0, le=100)]
Money = Annotated[Number, Field(ge=-BIG, le=BIG)]
PositiveMoney = Annotated[Number, Field(gt=0, le=BIG)]
NonNegativeMoney = Annotated[Number, Field(ge=0, le=BIG)]
Quantity = Annotated[Number, Field(gt=0, le=BIG)]
DecimalPrice = Annotated[Number, Field(gt=0, le=BIG)]
Leverage = Annotated[Number, Field(ge=1, le=125)]

Timeframe = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]
TIMEFRAME_SECONDS: dict[str, int] = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
}


class Wire(BaseModel):
    """A frozen model that ignores unknown fields, so that a newer producer can add optional ones.

    Infinite and not-a-number values are refused in every field.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Message(Wire):
    """A body that travels on the bus by itself; it says which version of its schema it follows.

    `ID_FIELDS` name the fields that identify it: its `Nats-Msg-Id` is made of them, so that a repeated one is known.
    """

    ID_FIELDS: ClassVar[tuple[str, ...]] = ()

    schema_version: Literal[1] = 1

    def message_id(self) -> str | None:
        """The identity of this message among those of its kind; None where it has none."""
        parts = [getattr(self, name) for name in self.ID_FIELDS]
        if not parts or any(part is None for part in parts):
            return None
        return "|".join(str(int(p.timestamp())) if isinstance(p, datetime) else str(p) for p in parts)


class ModelOutput(BaseModel):
    """A model that parses what a language model wrote: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
