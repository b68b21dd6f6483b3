"""Files of candles and funding."""

import gzip
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.schemas.market import Candle
from services.feed.adapters.csv import DataError, open_replay, read_candles, read_funding
from services.feed.adapters.table import TIME_EXPECTED
from services.feed.domain.timeline import backlog, moments, resumed
from tests.fakes.feed_markets import REAL

HEADER = "open_time,open,high,low,close,volume"
FUNDING_HEADER = "funding_time,funding_rate,mark_price"
T0 = 1_746_403_200_000
GOOD = f"{T0},10,12,9,11,5"
NEXT_WANTED = ":3: open_time: expected the minute 2025-05-05 00:01:00+00:00 or one of the next 31 days"
NEXT = f"{T0 + 60_000},11,12,9,10,0"


def write(path: Path, *lines: str) -> Path:
    path.write_bytes(gzip.compress("\n".join(lines).encode()) if path.suffix == ".gz" else "\n".join(lines).encode())
    return path


@pytest.mark.parametrize("name", ["AAA-1m.csv", "AAA-1m.csv.gz"], ids=["plain", "gzipped"])
def test_candles_are_read(tmp_path: Path, name: str) -> None:
    read = read_candles(write(tmp_path / name, HEADER, GOOD, NEXT), "AAA")
    assert (read.symbol, read.first) == ("AAA", datetime(2025, 5, 5, tzinfo=UTC))
    assert read.end - read.first == timedelta(minutes=2)
    assert [list(column) for column in (read.open, read.high, read.low, read.close, read.volume)] == [
        [10, 11],
        [12, 12],
        [9, 9],
        [11, 10],
        [5, 0],
    ]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], ":1: expected the columns open_time,open,high,low,close,volume, found none"),
        (["time,open"], ":1: expected the columns open_time,open,high,low,close,volume, found time,open"),
        ([HEADER], ": no candles in it"),
        ([HEADER, GOOD, "1,2"], ":3: expected 6 columns, found 2"),
        ([HEADER, "x,10,12,9,11,5"], f":2: open_time 'x' is no time: {TIME_EXPECTED}"),
        ([HEADER, "17464032,10,12,9,11,5"], f":2: open_time '17464032' is no time: {TIME_EXPECTED}"),
        ([HEADER, "2025-05-05 00:00,1,1,1,1,1"], f":2: open_time '2025-05-05 00:00' is no time: {TIME_EXPECTED}"),
        ([HEADER, f"{T0 + 1},10,12,9,11,5"], ":2: open_time 2025-05-05 00:00:00.001000+00:00 is not a whole minute"),
        ([HEADER, f"{T0},ten,12,9,11,5"], ":2: open 'ten' is not a number"),
        ([HEADER, f"{T0},nan,12,9,11,5"], ":2: open 'nan' is not a finite number below 1e+15"),
        ([HEADER, f"{T0},10,12,9,11,inf"], ":2: volume 'inf' is not a finite number below 1e+15"),
        ([HEADER, f"{T0},10,12,0,11,5"], ":2: the low 0 is not above 0"),
        ([HEADER, f"{T0},10,10.5,9,11,5"], ":2: low <= open, close <= high does not hold"),
        ([HEADER, f"{T0},10,12,10.5,11,5"], ":2: low <= open, close <= high does not hold"),
        ([HEADER, f"{T0},10,12,9,11,-1"], ":2: the volume -1 is below 0"),
        ([HEADER, GOOD, GOOD], f"{NEXT_WANTED}, found 2025-05-05 00:00:00+00:00"),
        ([HEADER, GOOD, f"{T0 + 32 * 86_400_000},10,12,9,11,5"], f"{NEXT_WANTED}, found 2025-06-06 00:00:00+00:00"),
        (
            [HEADER, *(f"{T0 + n * 300_000},10,12,9,11,5" for n in range(4))],
            ":3: open_time: no two bars are less than 0:05:00 apart; expected bars of one minute",
        ),
        (
            [f"{T0 + n * 3_600_000},10,12,9,11,5,{T0},1,1,1,1,0" for n in range(3)],
            ":2: open_time: no two bars are less than 1:00:00 apart; expected bars of one minute",
        ),
    ],
)
def test_a_bad_file_of_candles_is_refused_in_one_line_with_its_place(
    tmp_path: Path, lines: list[str], says: str
) -> None:
    path = write(tmp_path / "AAA-1m.csv.gz", *lines)
    with pytest.raises(DataError) as caught:
        read_candles(path, "AAA")
    assert str(caught.value) == f"{path}{says}"


@pytest.mark.parametrize(
    "damaged",
    [b"not gzip", gzip.compress(b"open_time")[:-6], gzip.compress(b"\xff\xfe")],
    ids=["not gzip", "cut off", "no text"],
)
def test_a_damaged_file_is_named(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "AAA-1m.csv.gz"
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=f"{re.escape(str(path))} cannot be read: "):
        read_candles(path, "AAA")


def test_funding_is_read_with_the_interval_between_payments(tmp_path: Path) -> None:
    hour = 3_600_000
    rows = [f"{T0 + 3},0.0001,94000.5", f"{T0 + 4 * hour + 8},-0.0002,", f"{T0 + 8 * hour},0,94100"]
    rates = read_funding(write(tmp_path / "AAA-funding.csv.gz", FUNDING_HEADER, *rows)).rates
    assert [(r.time.hour, r.time.microsecond, r.rate, r.mark_price) for r in rates] == [
        (0, 0, 0.0001, 94000.5),
        (4, 0, -0.0002, None),
        (8, 0, 0.0, 94100.0),
    ]
    assert {r.interval for r in rates} == {timedelta(hours=4)}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (f"{T0},1.5,100", ":2: funding_rate 1.5 is beyond ±1; it is a fraction, not a percentage"),
        (f"{T0},0.1,0", ":2: mark_price 0 is not above 0"),
        (f"{T0},,100", ":2: funding_rate '' is not a number"),
    ],
)
def test_a_bad_file_of_funding_is_refused_with_its_place(tmp_path: Path, row: str, says: str) -> None:
    path = write(tmp_path / "AAA-funding.csv", FUNDING_HEADER, row)
    with pytest.raises(DataError) as caught:
        read_funding(path)
    assert str(caught.value) == f"{path}{says}"


def test_payments_must_be_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "AAA-funding.csv", FUNDING_HEADER, f"{T0},0,1", f"{T0},0,1")
    with pytest.raises(DataError, match=r":3: funding_time .* is not after the one before"):
        read_funding(path)


ROW = "10,12,9,11,5"
BINANCE = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([HEADER, *(f"{T0 // 1_000 + 60 * n},{ROW}" for n in (0, 1, 3))], id="M17: seconds"),
        pytest.param([HEADER, *(f"{T0 * 1_000 + 60_000_000 * n},{ROW}" for n in (0, 1, 3))], id="M17: microseconds"),
        pytest.param(
            [f"{T0 + 60_000 * n},{ROW},{T0 + 60_000 * n + 59_999},55,3,1,11,0" for n in (0, 1, 3)],
            id="M18: Binance without header",
        ),
        pytest.param(
            [BINANCE, *(f"{T0 + 60_000 * n},{ROW},{T0},55,3,1,11,0" for n in (0, 1, 3))], id="Binance with header"
        ),
        pytest.param([f"\ufeff{HEADER}", *(f"{T0 + 60_000 * n},{ROW}" for n in (0, 1, 3))], id="a BOM"),
        pytest.param([HEADER, *(f"2025-05-05T02:0{n}:00+02:00,{ROW}" for n in (0, 1, 3))], id="ISO with an offset"),
        pytest.param(
            ["Date,Open,High,Low,Close,Volume", *(f"2025-05-05 00:0{n}:00Z,{ROW}" for n in (0, 1, 3))], id="Z"
        ),
        pytest.param(
            ["volume,close,low,high,open,timestamp", *(f"5,11,9,12,10,{T0 + 60_000 * n}" for n in (0, 1, 3))],
            id="in another order",
        ),
    ],
)
def test_files_that_people_have_are_read_and_a_missing_minute_is_a_gap(tmp_path: Path, lines: list[str]) -> None:
    read = read_candles(write(tmp_path / "AAA-1m.csv", *lines), "AAA")
    begin = datetime(2025, 5, 5, tzinfo=UTC)
    bars = read.between(begin, begin + timedelta(minutes=9))
    assert [(bar.open_time - begin) // timedelta(minutes=1) for bar in bars] == [0, 1, 3]
    assert {(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars} == {(10, 12, 9, 11, 5)}
    assert read.gaps() == [(begin + timedelta(minutes=2), 1)]


def test_a_gap_is_played_as_one_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = [n for n in range(30) if n not in (7, 8, 20)]
    write(tmp_path / "AAA-1m.csv", HEADER, *(f"{T0 + 60_000 * n},{ROW}" for n in kept))
    market = open_replay(tmp_path, (), 1, 0)
    assert "AAA: 2 minutes are missing from 2025-05-05 00:07:00+00:00 on" in caplog.text
    assert "AAA: 1 minutes are missing from 2025-05-05 00:20:00+00:00 on" in caplog.text
    played = moments(market, resumed(market, None, {}, {}, {}))
    events = [event for moment in played for event in moment.events if isinstance(event, Candle)]
    minutes = [(e.open_time - market.starts) // timedelta(minutes=1) for e in events if e.timeframe == "1m"]
    assert minutes == kept
    assert [e.open_time.minute for e in events if e.timeframe == "5m"] == [0, 10, 15, 25]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["calc_time,funding_interval_hours,last_funding_rate", f"{T0},8,0.0001"], id="Binance's archive"),
        pytest.param(["funding_time,funding_rate", f"{T0 // 1_000},0.0001"], id="without a mark, in seconds"),
        pytest.param([f"{T0},0.0001,94000"], id="without a header"),
        pytest.param([FUNDING_HEADER, "2025-05-05T00:00:00.007Z,0.0001,"], id="ISO"),
        pytest.param([f"\ufeff{FUNDING_HEADER}", f"{T0 + 7},0.0001,94000"], id="a BOM"),
    ],
)
def test_funding_as_people_have_it_is_read(tmp_path: Path, lines: list[str]) -> None:
    (rate,) = read_funding(write(tmp_path / "AAA-funding.csv", *lines)).rates
    assert (rate.time, rate.rate) == (datetime(2025, 5, 5, tzinfo=UTC), 0.0001)


def day_of(tmp_path: Path, symbol: str, minutes: int = 1_440, first: int = T0) -> None:
    rows = [f"{first + n * 60_000},10,12,9,11,5" for n in range(minutes)]
    write(tmp_path / f"{symbol}-1m.csv.gz", HEADER, *rows)


def test_a_replay_is_what_all_symbols_have(tmp_path: Path) -> None:
    day_of(tmp_path, "AAA", 1_440)
    day_of(tmp_path, "BBB", 1_000, T0 + 60 * 60_000)
    market = open_replay(tmp_path, (), 1, 10)
    assert market.symbols == ("AAA", "BBB")
    assert market.starts == market.begins == datetime(2025, 5, 5, 1, tzinfo=UTC)
    assert market.ends == market.starts + timedelta(minutes=1_000)
    assert market.funding("AAA", market.ends) is None


@pytest.mark.parametrize(
    ("symbols", "start_day", "says"),
    [
        (("AAA", "CCC"), 1, ": no candles of CCC; there are AAA, BBB"),
        ((), 2, ": PERPETUA_START_DAY is 2, but all symbols together have 1 days of candles"),
    ],
)
def test_a_replay_that_is_not_possible_says_why(
    tmp_path: Path, symbols: tuple[str, ...], start_day: int, says: str
) -> None:
    day_of(tmp_path, "AAA")
    day_of(tmp_path, "BBB")
    with pytest.raises(DataError) as caught:
        open_replay(tmp_path, symbols, start_day, 10)
    assert str(caught.value) == f"{tmp_path}{says}"


def test_a_folder_without_candles_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no <symbol>-1m\.csv\.gz in it; set PERPETUA_DATA_DIR"):
        open_replay(tmp_path, (), 1, 10)
    with pytest.raises(DataError, match="is not a folder; set PERPETUA_DATA_DIR"):
        open_replay(tmp_path / "none", (), 1, 10)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real candles are not beside the project")
def test_the_real_files_give_ten_days_of_history_and_four_to_play() -> None:
    market = open_replay(REAL, ("BTCUSDT",), 11, 10)
    assert (market.starts - market.begins, market.ends - market.starts) == (timedelta(days=10), timedelta(days=4))
    found = list(backlog(market, resumed(market, None, {}, {}, {})))
    assert sum(candle.timeframe == "1m" for candle in found) == 1_500
    assert sum(candle.timeframe == "4h" for candle in found) == 60
    rate = market.funding("BTCUSDT", market.begins)
    assert rate is not None and (rate.rate, rate.interval) == (-2.404e-05, timedelta(hours=8))
