"""Dead letters: messages that were put aside, with the reason."""

from typing import ClassVar

from pydantic import Field

from libs.schemas.base import Id, LongText, Message, Name, ShortText, Text, Utc, Wire
from libs.schemas.reasons import DeadLetterCode


class DeadLetterError(Wire):
    """What is wrong; `field` is the dotted path of the offending field where there is one."""

    code: DeadLetterCode
    field: Name | None = None
    message: Text


class DeadLetter(Message):
    """The message as it came. `body` is its text; bytes that are no UTF-8 are kept base64-encoded and said so."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("dead_letter_id",)

    dead_letter_id: Id
    subject: ShortText
    headers: dict[str, str] = {}
    body: LongText
    body_encoding: str = Field(default="utf-8", pattern="^(utf-8|base64)$")
    body_truncated: bool = False
    stream: Name
    durable: Name
    sequence: int = Field(ge=0)
    error: DeadLetterError
    deliveries: int = Field(ge=1)
    at: Utc
