"""Messages that were put aside, as the API shows them."""

from datetime import datetime

from pydantic import BaseModel, Field


class LetterEntry(BaseModel):
    """One message that was put aside. `not_replayable` says why this gateway cannot publish it again; null: it can."""

    number: int = Field(description="under which `perpetua dead show` finds it too")
    dead_letter_id: str | None
    at: datetime | None
    subject: str
    stream: str | None
    durable: str | None = Field(description="the consumer that could not use it")
    deliveries: int | None
    code: str | None
    field: str | None
    message: str | None
    replayed: int = Field(ge=0, description="how often it was published again")
    not_replayable: str | None


class LetterWhole(LetterEntry):
    """With the message as it came: `body` is base64 where `body_encoding` says so."""

    headers: dict[str, str]
    body: str
    body_encoding: str
    body_truncated: bool


class LetterTaken(BaseModel):
    """It is in the log again, under `replayed_as`; `repeated`: somebody else had just done the same."""

    number: int
    dead_letter_id: str
    replayed_as: str
    repeated: bool
