"""The same answers under other rules, and many runs beside each other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.errors import CliError
from cli.run.replaying import ReplayWishes, replay_quietly
from cli.run.seed import read_strategies, read_venue
from cli.run.sweeping import SweepWishes, sweep
from libs.schemas.account import Account
from replay.altering import SettingError, changed, setting_of
from replay.compare import ComparedAccount, RunComparison
from replay.engine import Replay, ReplayInput
from replay.policy import PolicyError, policy_of
from replay.recorded import RecordedPolicy
from replay.run import copies
from replay.sweep import sweep_trials, walk_forward
from tests.unit.replay.markets import SYMBOLS, Kept, account, market, wanted

PLAYED = market(190, 130, wild=0.005)


def replayed(what: ReplayInput) -> Kept:
    kept = Kept()
    for _ in Replay(what, kept).steps():
        pass
    return kept


@pytest.fixture(scope="module")
def first() -> Kept:
    return replayed(wanted(PLAYED))


def lines(kept: Kept) -> list[bytes]:
    return [each.model_dump_json().encode() for each in (*kept.contexts, *kept.proposals, *kept.ends)]


def test_recorded_answers_under_the_same_rules_are_the_same_run(first: Kept) -> None:
    policy = RecordedPolicy("recorded:here", iter(lines(first)))
    again = replayed(wanted(PLAYED, policy=policy))
    assert again.events == first.events != []
    assert [each.model_dump_json() for each in again.contexts] == [each.model_dump_json() for each in first.contexts]
    assert (policy.answered, policy.unanswered) == (len(first.proposals), 0)


def test_recorded_answers_under_another_fee_pay_that_fee(first: Kept) -> None:
    what = replace(
        wanted(PLAYED, policy=RecordedPolicy("recorded:here", iter(lines(first)))),
        venue=changed(
            read_venue(), "venue", [setting_of("venue.maker_fee_bps=3"), setting_of("venue.taker_fee_bps=3")]
        ),
    )
    assert {fee_bps(event) for event in filled(first)} == {2, 5}
    assert {fee_bps(event) for event in filled(replayed(what))} == {3}


def filled(kept: Kept) -> list[dict[str, Any]]:
    events = [orjson.loads(event.partition(" ")[2]) for event in kept.events]
    return [event["fill"] for event in events if event.get("kind") == "filled"]


def fee_bps(fill: dict[str, Any]) -> int:
    return round(float(fill["fee"]) / float(fill["price"]) / float(fill["quantity"]) * 10_000)


def test_an_account_of_another_name_is_answered_by_the_only_one_recorded(first: Kept) -> None:
    policy = RecordedPolicy("recorded:here", iter(lines(first)))
    replayed(wanted(PLAYED, account(account_id="other"), policy=policy))
    assert policy.answered > 0


def test_an_answer_about_other_assets_is_none(first: Kept) -> None:
    policy = RecordedPolicy("recorded:here", iter(lines(first)))
    kept = replayed(wanted(PLAYED, account(symbols=(SYMBOLS[0],)), policy=policy))
    assert {row.asset for each in kept.proposals if each.decision for row in each.decision.decisions} == {SYMBOLS[0]}


def test_a_folder_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="run it with --full"):
        policy_of(f"recorded:{tmp_path}")


@pytest.mark.parametrize(
    "text",
    [b'{"proposed_at":"2026-03', b'{"proposed_at":"never","context_ref":1}\n', b"open,close\n", b"5\n\xff"],
    ids=["a cut line", "a proposal of another kind", "no JSON", "no text"],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "messages.jsonl").write_bytes(text)
    with pytest.raises(PolicyError, match="holds what is no answer"):
        policy_of(f"recorded:{tmp_path}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_positions=2", "is no setting"),
        ("strategy.max_positions", "is no setting"),
        ("strategy.max_position=2", "strategy has no max_position"),
        ("strategy.max_positions.x=1", "strategy has no max_positions.x"),
        ("strategy.timeframe_preference.x.y=1", "strategy has no timeframe_preference.x.y"),
        ("strategy.nothing.x=1", "strategy has no nothing.x"),
        ("strategy.max_positions=none", "strategy max_positions"),
        ("strategy.risk_parameters.max_leverage=900", "max_leverage"),
    ],
)
def test_a_setting_that_nothing_can_have_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        changed(read_strategies(), "strategy", [setting_of(text)])


def test_settings_reach_what_they_name_and_nothing_else() -> None:
    (poorer,) = changed(
        [account()], "account", [setting_of("account.initial_balance=250"), setting_of("venue.latency_ms=9")]
    )
    assert isinstance(poorer, Account)
    assert poorer == account().model_copy(update={"initial_balance": poorer.initial_balance})
    assert str(poorer.initial_balance) == "250"
    flat = changed(read_strategies(), "strategy", [setting_of("strategy.risk_parameters.max_leverage=1")])
    assert {each.risk_parameters.max_leverage for each in flat} == {1}


def test_trials_are_each_with_each_and_have_folders_of_their_own() -> None:
    trials = sweep_trials(["swing", "dca"], ["builtin/trend"], 3, {"account.leverage": ["2", "5"]})
    assert len(trials) == len({trial.name for trial in trials}) == 12
    assert all("/" not in trial.name for trial in trials)


def compared(*returns: list[float]) -> RunComparison:
    times = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(len(returns[0]) + 1)]
    accounts = [ComparedAccount(f"run {n}", {}, times, column, None) for n, column in enumerate(returns)]
    return RunComparison(accounts, None, "", None)


def test_walking_forward_chooses_by_what_came_before_alone() -> None:
    early = [0.01, 0.012] * 5 + [-0.01, -0.012] * 5
    late = [-0.01, -0.012] * 5 + [0.01, 0.012] * 5
    told = walk_forward(compared(early, late), 2)
    assert told is not None
    assert told.chosen == ["run 0"]
    assert told.returns_pct[0] < 0 < told.best_pct
    assert told.returns_pct[0] < told.mean_pct < told.best_pct
    assert walk_forward(compared(early[:3], late[:3]), 2) is None


def test_copies_and_seeds_have_names_of_their_own_that_are_not_too_long() -> None:
    one = account(account_id="a" * 32)
    made = [copy.account_id for seed in range(40) for count in (2, 3) for copy in copies([one], count, seed)]
    assert len(set(made)) == 3 * 40
    assert {len(name) for name in made} == {32}
    assert copies([account()], 1) == [account()]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The market that is played, as a folder."""
    folder = tmp_path_factory.mktemp("data")
    for symbol in SYMBOLS:
        bars = PLAYED.whole[symbol]
        opened = int(bars.first.timestamp())
        columns = zip(bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
        rows = [f"{opened + 60 * n},{','.join(map(repr, row))}" for n, row in enumerate(columns)]
        (folder / f"{symbol}-1m.csv").write_text("\n".join(rows))
    return folder


def wishes(data: Path) -> ReplayWishes:
    return ReplayWishes(data, "2026-03-01T22:10", None, None, None, "builtin/trend", 1)


def test_a_setting_that_the_strategy_of_the_run_has_need_be_no_others(data: Path, tmp_path: Path) -> None:
    only = replace(wishes(data), strategy="dca", settings=("strategy.ladder.rungs=3",))
    replay_quietly(only, tmp_path / "dca")
    (strategy,) = orjson.loads((tmp_path / "dca" / "run.json").read_bytes())["strategies"]
    assert strategy["ladder"]["rungs"] == 3
    with pytest.raises(CliError, match="strategy has no ladder"):
        replay_quietly(replace(only, strategy="scalping"), tmp_path / "scalping")


def test_a_sweep_makes_each_run_once(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = wishes(data)
    what = SweepWishes(shared, ["scalping"], ["builtin/trend"], 2, {}, 0)
    sweep(what, tmp_path / "out", 1)
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("summary.json")}
    assert len(made) == 2
    assert all(len(orjson.loads(file.read_bytes())["accounts"]) == 1 for file in made)
    sweep(what, tmp_path / "out", 1)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("summary.json")} == made
    assert "seed=1" in capsys.readouterr().out
    assert (tmp_path / "out" / "sweep.html").stat().st_size < 500_000
