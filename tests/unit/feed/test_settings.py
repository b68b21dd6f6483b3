"""Settings of the feed, and wiring."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.runtime.clock import WallClock
from services.feed.adapters.ccxt import CcxtMarket
from services.feed.adapters.synthetic import SyntheticMarket
from services.feed.app import create_app, open_market
from services.feed.ports import Live
from services.feed.settings import Settings


def test_an_app_needs_no_server_and_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PERPETUA_FEED", "PERPETUA_DATA_DIR", "ASSETS", "NATS_URL"):
        monkeypatch.delenv(name, raising=False)
    assert create_app().name == "feed"


def test_variables_are_read_under_their_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {
        "PERPETUA_FEED": "replay",
        "PERPETUA_DATA_DIR": str(tmp_path),
        "PERPETUA_SPEED": "3600",
        "ASSETS": "btcusdt, ETHUSDT,,BTCUSDT",
        "PERPETUA_START_DAY": "3",
        "PERPETUA_SEED": "9",
        "PERPETUA_HISTORY_DAYS": "2",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert (read.feed, read.data_dir, read.speed, read.symbols) == ("replay", tmp_path, 3600, ("BTCUSDT", "ETHUSDT"))
    assert (read.start_day, read.seed, read.history_days) == (3, 9, 2)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"feed": "replay"}, "PERPETUA_FEED=replay needs PERPETUA_DATA_DIR, the folder of candles; it is not set"),
        ({"feed": "replay", "data_dir": "/nowhere"}, "the folder of candles; /nowhere is not a folder"),
        ({"feed": "other"}, "Input should be 'replay', 'synthetic', 'ccxt' or 'none'"),
        ({"feed": "ccxt"}, "PERPETUA_FEED=ccxt needs ASSETS"),
        ({"feed": "ccxt", "assets": "BTCUSDT", "feed_venue": "mtgox"}, "Input should be 'aster' or 'binanceusdm'"),
        ({"speed": 0}, "greater than 0"),
        ({"assets": "BTC/USD:BTC"}, "is no linear perpetual; write it like BTCUSDT"),
        ({"start_day": 0}, "greater than or equal to 1"),
    ],
)
def test_a_bad_setting_says_what_is_wrong(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Settings.model_validate(values)


def test_each_source_opens_its_market() -> None:
    clock = WallClock()
    assert open_market(Settings(feed="none"), clock) is None
    synthetic = open_market(Settings(feed="synthetic", assets="XRPUSDT", seed=4), clock)
    assert isinstance(synthetic, SyntheticMarket)
    assert (synthetic.source, synthetic.series, synthetic.symbols) == ("synthetic", "synthetic:4", ("XRPUSDT",))
    live = open_market(Settings(feed="ccxt", assets="btcusdt"), clock)
    assert isinstance(live, CcxtMarket)
    assert (live.source, live.symbols) == ("aster", ("BTCUSDT",))
    assert isinstance(live, Live)
    assert not isinstance(synthetic, Live)
