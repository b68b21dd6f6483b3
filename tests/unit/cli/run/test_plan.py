import gzip
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.errors import CliError
from cli.files import known_symbols
from cli.project import CONFIG, StateFolder
from cli.run.plan import Feed, Plan, make_plan, parse_replicas, traded_symbols
from cli.run.workers import ALWAYS
from services.feed.domain.synthetic import LISTINGS


def write_candles(folder: Path, *symbols: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for symbol in symbols:
        with gzip.open(folder / f"{symbol}-1m.csv.gz", "wt") as file:
            file.write("open_time,open,high,low,close,volume\n")
    return folder


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        ("decider=3", {"decider": 3}),
        (" decider=3 , context=2 ,", {"decider": 3, "context": 2}),
        ("feed=1,gateway=1", {"feed": 1, "gateway": 1}),
    ],
)
def test_replicas_are_read_from_pairs(text: str, wanted: dict[str, int]) -> None:
    assert parse_replicas(text) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("decidr=3", "'decidr' is not a worker"),
        ("decider", "'decider' is not understood"),
        ("decider=", "'decider=' is not understood"),
        ("decider=0", "'decider=0' is not understood"),
        ("decider=-1", "'decider=-1' is not understood"),
        ("decider=1.5", "'decider=1.5' is not understood"),
        ("decider=33", "'decider=33' is not understood"),
        ("decider=²", "is not understood"),
        ("decider=1,decider=2", "decider is named twice"),
        ("gateway=2", "one gateway is enough"),
    ],
)
def test_replicas_that_cannot_be_are_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(CliError) as raised:
        parse_replicas(text)
    assert said in raised.value.message


def test_a_plan_lists_each_copy_with_the_feed_first() -> None:
    plan = Plan(StateFolder(Path("x")), "replay", None, 60, ("BTCUSDT",), {"decider": 3})
    assert plan.workers[0] == ("feed", 1)
    assert [one for one in plan.workers if one[0] == "decider"] == [("decider", 1), ("decider", 2), ("decider", 3)]
    assert len(plan.workers) == len(ALWAYS) + 2
    assert "notifier" not in dict(plan.workers)


def test_a_notifier_runs_where_there_are_routes(tmp_path: Path) -> None:
    def planned(text: str | None, replicas: str = "") -> Mapping[str, int]:
        if text is not None:
            (tmp_path / "notifications.yaml").write_text(text)
        env = {"PERPETUA_CONFIG_DIR": str(tmp_path)}
        return dict(make_plan(state=tmp_path / "s", env=env, feed="synthetic", replicas=replicas).workers)

    assert "notifier" not in planned(None)
    assert "notifier" not in planned("routes: {}")
    with pytest.raises(CliError, match="notifier has nothing to do here"):
        planned(None, "notifier=2")
    assert planned("routes: {desk: {webhook: https://desk.example}}")["notifier"] == 1
    assert planned(None, "notifier=2")["notifier"] == 2
    assert planned("routs: {}")["notifier"] == 1  # what is wrong is said before anything starts


def test_a_folder_belongs_to_one_market() -> None:
    def series(feed: Feed, seed: int | None = None) -> str:
        return Plan(StateFolder(Path("x")), feed, None, 60, ("BTCUSDT",), {}, seed).series

    assert len({series("replay"), series("none"), series("synthetic"), series("synthetic", 2)}) == 4
    assert series("synthetic") == series("synthetic", 1)


def test_candles_are_replayed_where_there_are_some(tmp_path: Path) -> None:
    data = write_candles(tmp_path / "data", "BTCUSDT", "ETHUSDT")
    plan = make_plan(state=tmp_path, env={"PERPETUA_DATA_DIR": str(data)}, symbols="ethusdt, BTCUSDT,ETHUSDT")
    assert (plan.feed, plan.market, plan.data) == ("replay", "real", data)
    assert plan.symbols == ("ETHUSDT", "BTCUSDT")


def test_a_synthetic_market_needs_no_folder_and_has_every_symbol_of_the_venue(tmp_path: Path) -> None:
    plan = make_plan(state=tmp_path, env={}, feed="synthetic", symbols=",".join(known_symbols()))
    assert (plan.market, plan.data, len(plan.symbols)) == ("synthetic", None, 10)
    assert tuple(listing.symbol for listing in LISTINGS) == plan.symbols


def test_without_a_wish_the_symbols_are_those_that_the_accounts_trade(tmp_path: Path) -> None:
    five = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")
    assert make_plan(state=tmp_path, env={}, feed="synthetic").symbols == five
    (tmp_path / "venues").mkdir()
    shutil.copy(CONFIG / "venues" / "paper.yaml", tmp_path / "venues")
    (tmp_path / "accounts.yaml").write_text("accounts: [{symbols: [DOTUSDT, ETHUSDT]}, {symbols: [ETHUSDT, MINE]}]")
    assert traded_symbols(tmp_path) == ("ETHUSDT", "DOTUSDT")
    (tmp_path / "accounts.yaml").write_text("accounts: [{strategy_id: dca}]")
    with pytest.raises(CliError, match=r"accounts\.yaml cannot be read: 'symbols'"):
        traded_symbols(tmp_path)


def test_assets_of_the_environment_name_the_symbols(tmp_path: Path) -> None:
    assert make_plan(state=tmp_path, env={"ASSETS": "SOLUSDT"}, feed="synthetic").symbols == ("SOLUSDT",)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_an_impossible_speed_is_refused(tmp_path: Path, speed: float) -> None:
    with pytest.raises(CliError, match="speed"):
        make_plan(state=tmp_path, env={}, speed=speed)


def test_wrong_wishes_are_refused_before_anything_is_started(tmp_path: Path) -> None:
    data = write_candles(tmp_path / "data", "BTCUSDT")
    empty = tmp_path / "empty"
    empty.mkdir()
    cases: list[tuple[dict[str, object], str]] = [
        ({"symbols": "DOGEUSDT"}, "DOGEUSDT is not a symbol"),
        ({"data": data, "symbols": "ETHUSDT"}, "no candles of ETHUSDT"),
        ({"data": tmp_path / "nowhere"}, "is not a folder"),
        ({"data": empty}, "no <symbol>-1m.csv.gz"),
        ({"feed": "mtgox"}, "'mtgox' is not a feed"),
        ({"feed": "synthetic", "data": data}, "--data does not go with"),
    ]
    for options, said in cases:
        with pytest.raises(CliError) as raised:
            make_plan(state=tmp_path, env={}, **options)  # type: ignore[arg-type]
        assert said in raised.value.message
        assert raised.value.hint
