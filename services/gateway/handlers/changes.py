"""What the routes that change configuration share in their answers."""

from fastapi import Response

from libs.configuration.configuration import ConfigEntry
from libs.schemas.account import Account
from libs.schemas.strategy import TradingStrategy


def tagged(response: Response, stored: ConfigEntry[Account] | ConfigEntry[TradingStrategy]) -> None:
    """The version as an ETag, for If-Match of the next change."""
    response.headers["ETag"] = f'"{stored.body.version}"'
