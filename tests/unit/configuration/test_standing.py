"""What people read of an account that does not trade freely."""

from datetime import UTC, datetime

from libs.configuration.standing import told, way_back
from libs.schemas.account import TradingStanding
from tests import builders

AT = datetime(2025, 5, 15, 3, 12, tzinfo=UTC)


def test_a_state_says_since_when_by_whom_and_why() -> None:
    standing = TradingStanding(since=AT, by="ann (command)", why="holidays", ends="person")
    state = builders.state(trading_state="halted", standing=standing)
    assert told(state) == "halted since 05-15 03:12 UTC by ann (command): holidays"
    assert told(builders.state(trading_state="reducing")).startswith("reducing (since when and why is not known")


def test_the_way_back_is_a_command_and_says_what_ends_by_itself() -> None:
    loss = TradingStanding(since=AT, by="executor", why="5 % are lost", ends="day")
    command = '`perpetua control active --account a --why "…" --state-dir /s`'
    assert way_back("a", loss, " --state-dir /s") == (
        f"it trades again when the UTC day of the market ends; at once by {command}"
    )
    assert way_back("a", None, " --state-dir /s") == f"{command} lets it trade again"
