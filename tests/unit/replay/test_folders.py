"""Files as others publish them become a folder that a replay plays; what is not understood is told with its columns."""

import gzip
import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow
import pyarrow.feather
import pytest
from typer.testing import CliRunner

from cli.commands.root import app
from cli.errors import CliError
from replay.data import DataError, Stretch, read_market
from replay.folders import convert, held
from replay.foreign import symbol_of

START = datetime(2025, 5, 5, tzinfo=UTC)
MINUTES = 1_500
ROWS = [(START + timedelta(minutes=n), 100 + n, 101 + n, 99 + n, 100.5 + n, 3.25) for n in range(MINUTES)]
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}


def klines(unit: str, *, header: bool, rows: Sequence[tuple[object, ...]] = ROWS) -> str:
    lines = [HEADER] if header else []
    for at, *figures in rows:
        assert isinstance(at, datetime)
        opened = int(at.timestamp()) * UNITS[unit]
        lines.append(f"{opened},{','.join(map(str, figures))},{opened + 59 * UNITS[unit]},1,2,3,4,0")
    return "\n".join(lines) + "\n"


def test_binances_klines_in_any_form_are_the_same_folder(tmp_path: Path) -> None:
    written = set()
    for unit in UNITS:
        for header in (True, False):
            source = tmp_path / f"BTCUSDT-1m-{unit}-{header}.csv"
            source.write_text(klines(unit, header=header))
            (made,) = convert([source], tmp_path / source.stem, None, {})
            written.add(made.path.read_bytes())
    assert len(written) == 1


def test_months_are_joined_and_played_with_their_funding(tmp_path: Path) -> None:
    parts = (ROWS[:800], ROWS[790:])
    for n, part in enumerate(parts):
        with zipfile.ZipFile(tmp_path / f"BTCUSDT-1m-2025-0{n}.zip", "w") as packed:
            packed.writestr("any.csv", klines("us" if n else "ms", header=bool(n), rows=part))
    funding = tmp_path / "BTCUSDT-fundingRate-2025-05.csv"
    at = int(START.timestamp()) * 1_000
    funding.write_text(
        f"calc_time,funding_interval_hours,last_funding_rate\n{at},8,0.0001\n{at + 28_800_003},8,0.0002\n"
    )
    out = tmp_path / "folder"
    made = list(convert(sorted(tmp_path.glob("BTCUSDT-*")), out, None, {}))
    assert sorted((each.rows, each.sources) for each in made) == [(2, 1), (MINUTES, 2)]
    (told,) = held(out)
    assert (told.symbol, told.minutes, told.gaps, told.fundings) == ("BTCUSDT", MINUTES, [], 2)
    market = read_market(out, ["BTCUSDT"], Stretch(START + timedelta(hours=1), START + timedelta(hours=3)))
    assert market.columns("BTCUSDT", market.starts, market.ends).close[0] == 160.5


def test_freqtrades_files_are_read(tmp_path: Path) -> None:
    name = "ETH_USDT_USDT-1m-futures"
    columns = dict(zip(("date", "open", "high", "low", "close", "volume"), zip(*ROWS, strict=True), strict=True))
    pyarrow.feather.write_feather(pyarrow.table({k: list(v) for k, v in columns.items()}), tmp_path / f"{name}.feather")
    old = [[int(at.timestamp() * 1_000), *figures] for at, *figures in ROWS]
    (tmp_path / f"{name}.json").write_text(json.dumps(old))
    rates = {"date": [START, START + timedelta(hours=8)], "open": [0.0001, 0.0003], "high": [0.0, 0.0]}
    funding = tmp_path / "ETH_USDT_USDT-8h-funding_rate.feather"
    pyarrow.feather.write_feather(pyarrow.table(rates), funding)
    for n, source in enumerate((tmp_path / f"{name}.feather", tmp_path / f"{name}.json")):
        list(convert([source, funding], tmp_path / str(n), None, {}))
        (told,) = held(tmp_path / str(n))
        assert (told.symbol, told.start, told.minutes, told.fundings) == ("ETHUSDT", START, MINUTES, 2)


def test_columns_of_any_name_are_told(tmp_path: Path) -> None:
    source = tmp_path / "mine.csv"
    lines = ["When,O,High,Low,Last,Vol"] + [f"{at.isoformat()},{','.join(map(str, row))}" for at, *row in ROWS]
    source.write_text("\n".join(lines))
    with pytest.raises(DataError, match="it has the columns When,O,High,Low,Last,Vol; needed are open_time,open,high"):
        list(convert([source], tmp_path / "out", "BTCUSDT", {}))
    named = {"open_time": "When", "open": "O", "close": "Last", "volume": "Vol"}
    (made,) = convert([source], tmp_path / "out", "BTCUSDT", named)
    assert made.rows == MINUTES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (klines("ms", header=True, rows=[*ROWS[:20], (*ROWS[20][:4], 500.0, 1.0)]), "close <= high"),
        (klines("ms", header=True, rows=ROWS[::5]), "expected bars of one minute"),
        (klines("ms", header=True).replace("1746403200000", "yesterday", 1), "'yesterday' is no time"),
        ("open_time,open\n1746403200000,5,\n", "needed are open_time,open,high,low,close,volume"),
    ],
    ids=["beyond the high", "five minutes", "no time", "too few columns"],
)
def test_what_a_feed_would_refuse_is_refused_and_not_left_there(tmp_path: Path, text: str, said: str) -> None:
    source = tmp_path / "BTCUSDT-1m.csv"
    source.write_text(text)
    with pytest.raises(DataError, match=said):
        list(convert([source], tmp_path / "out", None, {}))
    assert not list((tmp_path / "out").iterdir())


def test_two_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    for n, volume in enumerate((1.0, 2.0)):
        (tmp_path / f"BTCUSDT-{n}.csv").write_text(klines("ms", header=True, rows=[(*ROWS[0][:5], volume)]))
    with pytest.raises(DataError, match="elsewhere"):
        list(convert(sorted(tmp_path.glob("*.csv")), tmp_path / "out", None, {}))


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT-1m-2025-05.csv", "BTCUSDT"),
        ("BTC_USDT_USDT-1m-futures.feather", "BTCUSDT"),
        ("solusdt.csv.gz", "SOLUSDT"),
    ],
)
def test_a_name_says_the_symbol(name: str, symbol: str) -> None:
    assert symbol_of(Path(name)) == symbol


def test_the_command_names_each_gap(tmp_path: Path) -> None:
    text = klines("ms", header=True, rows=[*ROWS[:100], *ROWS[130:]])
    (tmp_path / "BTCUSDT-1m.csv.gz").write_bytes(gzip.compress(text.encode()))
    told = CliRunner().invoke(app, ["data", "check", str(tmp_path)], catch_exceptions=False).output
    assert "1 gaps of 30 minutes" in told and "30 minutes are missing from 2025-05-05 01:40" in told
    with pytest.raises(CliError, match="names no pair"):
        CliRunner().invoke(app, ["data", "convert", "x", "--out", "y", "--columns", "Vol"], catch_exceptions=False)
