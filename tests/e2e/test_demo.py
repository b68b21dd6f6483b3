"""The whole product by its command: real servers, real workers, a made-up market."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.run.workers import ALWAYS
from cli.runfile import RunFile, load
from tests.pace import PATIENCE_S, Watch, share

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]
STOP_LIMIT_S = 10.0
SYNTHETIC = ("--feed", "synthetic", "--seed", "7")


def clean_env() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PERPETUA_")}
    for name in ("NATS_URL", "MONGODB_URL", "REDIS_URL", "ASSETS"):
        kept.pop(name, None)
    return kept


@contextlib.contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_env(),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def below(folder: Path) -> list[psutil.Process]:
    """Processes that belong to the run in `folder`: servers by their command line, workers by where they log."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            named = any(str(folder) in word for word in process.cmdline())
            logs = Path(f"/proc/{process.pid}/fd/2").readlink()
            if process.pid != os.getpid() and (named or str(logs).startswith(str(folder))):
                found.append(process)
    return found


def until(condition: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def run_demo(state: Path, seconds: int, *more: str) -> tuple[dict[str, Any], str]:
    out = state.parent / f"{state.name}.json"
    with started(
        *("demo", "--for", str(seconds), "--no-ui", "--json", str(out), "--state-dir", str(state)), *SYNTHETIC, *more
    ) as process:
        said, errors = process.communicate(timeout=900)
    assert process.returncode == 0, f"{said}\n{errors}"
    assert errors == ""
    assert below(state) == []
    summary: dict[str, Any] = json.loads(out.read_text())
    return summary, said


def test_the_demo_trades_ends_by_itself_and_a_second_start_resumes_until_ctrl_c(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first, said = run_demo(state, round(15 / share()))
    for name in ("ticks", "contexts", "decisions", "accepted", "orders", "fills"):
        assert first[name] > 0, f"{name}: {first}\n{said}"
    assert first["dead_letters"] == 0
    assert first["restarts"] == 0
    assert first["market"] == "synthetic"
    assert set(first["servers"]) == {"nats", "mongodb", "redis"}
    assert {name: one["replicas"] for name, one in first["workers"].items()} == dict.fromkeys(ALWAYS, 1)
    assert all(20 < one["rss_mib"] < 600 for one in first["workers"].values())
    assert set(first["accounts"]) == {"aggressive", "scalping"}
    for name, made in first["accounts"].items():
        assert float(made["equity"]) > 0
        assert f"{name}: " in said
        assert made["buy_and_hold_pct"] is not None
    key = Path(first["api_key_file"])
    token = key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600

    second, said = until_ctrl_c(state)
    assert key.read_text() == token
    assert "as they were" in said
    assert second["gateway_url"] == first["gateway_url"]
    assert second["decisions"] > 0
    assert second["ticks"] < first["ticks"]


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many processes beside us that take all the processor time they get."""
    others = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_on_a_busy_machine_demo_and_up_come_up_and_trade(tmp_path: Path) -> None:
    with busy(5):
        summary, said = run_demo(tmp_path / "demo", round(60 / share()))
        assert min(summary["decisions"], summary["orders"], summary["fills"]) > 0, said
        options = ("--state-dir", str(tmp_path / "up"))
        try:
            assert "running in the background" in perpetua("up", *options, *SYNTHETIC)
            until(lambda: orders_of(tmp_path / "up") > 0, 240 / share())
        finally:
            perpetua("down", "--wipe", "--yes", *options)


def orders_of(state: Path) -> int:
    """How many orders the API tells of."""
    run = load(state / "run.json")
    assert run is not None
    token = (state / "api_key").read_text().strip()
    request = urllib.request.Request(
        f"{run.gateway_url}/api/v1/accounts/scalping/orders", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return len(json.loads(answer.read())["items"])


@pytest.mark.parametrize(
    ("delay", "number"), [(0.15, signal.SIGINT), (0.6, signal.SIGTERM), (1.2, signal.SIGINT), (3.0, signal.SIGTERM)]
)
def test_a_signal_during_the_start_leaves_no_process(tmp_path: Path, delay: float, number: int) -> None:
    state = tmp_path / "state"
    with started("demo", "--no-ui", "--state-dir", str(state), *SYNTHETIC) as process:
        until(lambda: state.exists() or process.poll() is not None)
        time.sleep(delay)  # the point in the start is what is varied here
        with Watch() as watch:
            process.send_signal(number)
            _, errors = process.communicate(timeout=240)
    assert watch.quiet_s < STOP_LIMIT_S
    assert "Traceback" not in errors
    assert below(state) == []


def until_ctrl_c(state: Path) -> tuple[dict[str, Any], str]:
    """Summary and output of a demo that is ended by hand, once an account has decided again."""
    out = state.parent / "until-ctrl-c.json"
    with started("demo", "--no-ui", "--state-dir", str(state), "--json", str(out), *SYNTHETIC) as process:
        until(lambda: (run := load(state / "run.json")) is not None and run.phase == "ready")
        run = load(state / "run.json")
        assert run is not None
        last = newest_decision(run)
        until(lambda: newest_decision(run) != last)
        with Watch() as watch:
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate(timeout=240)
    assert (process.returncode, errors) == (0, "")
    assert watch.quiet_s < STOP_LIMIT_S
    assert "ticks" in said
    assert below(state) == []
    summary: dict[str, Any] = json.loads(out.read_text())
    return summary, said


def newest_decision(run: RunFile) -> dict[str, Any] | None:
    page = asked(run, "/api/v1/decisions/history?account_id=scalping&limit=1")
    return next(iter(page["items"]), None)


def asked(run: RunFile, path: str) -> Any:
    """What the API of a run answers whoever has its key."""
    token = Path(run.api_key_file).read_text().strip()
    request = urllib.request.Request(f"{run.gateway_url}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        assert answer.status == 200
        return json.load(answer)


def test_a_killed_command_takes_its_processes_with_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with started("demo", "--no-ui", "--state-dir", str(state), *SYNTHETIC) as process:
        until(lambda: (run := load(state / "run.json")) is not None and len(run.workers) == 7)
        process.kill()
        process.wait()
        until(lambda: below(state) == [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_up_ends_what_it_began(tmp_path: Path, number: int) -> None:
    state = tmp_path / "state"
    with started("up", "--state-dir", str(state), *SYNTHETIC) as process:
        until(lambda: (run := load(state / "run.json")) is not None and len(run.workers) == 7)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert below(state) == []


def test_up_runs_in_the_background_with_replicas_until_down(tmp_path: Path) -> None:
    options = ("--state-dir", str(tmp_path / "state"))
    try:
        said = perpetua("up", *options, *SYNTHETIC, "--replicas", "context=2,validator=2")
        assert "running in the background" in said
        run = load(tmp_path / "state" / "run.json")
        assert run is not None
        assert [one.instance for one in run.workers if one.instance.startswith("context")] == ["context-1", "context-2"]
        shown = perpetua("status", *options)
        for wanted in ("validator-2", "ready", "decider-contexts", "synthetic market"):
            assert wanted in shown
        for words in (("performance",), ("trades",), ("positions",), ("orders",), ("alerts",), ("decisions",)):
            assert json.loads(perpetua(*words, "--json", *options)) is not None
            assert perpetua(*words, *options)
        assert "feed is ready" in perpetua("logs", "feed", *options)
        perpetua("control", "halted", "--account", "scalping", "--why", "a look", *options)
        told = " ".join(perpetua("status", *options).split())
        assert "scalping halted since" in told and "(command): a look" in told
        assert "`perpetua control active --account scalping" in told
        again = perpetua("up", *options, *SYNTHETIC, code=1)
        assert "runs here already" in again

        victim = next(one for one in run.workers if one.instance == "context-2")
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: "context-2" in restarted(tmp_path / "state"))

        asked(run, "/api/v1/decisions/history?account_id=scalping&limit=1")
    finally:
        ended = perpetua("down", "--wipe", "--yes", *options)
    assert "ended" in ended
    assert below(tmp_path / "state") == []
    assert not (tmp_path / "state").exists()


def restarted(state: Path) -> list[str]:
    run = load(state / "run.json")
    return [one.instance for one in run.workers if one.restarts and one.state == "ready"] if run else []


def perpetua(*arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        capture_output=True,
        text=True,
        env=clean_env() | {"COLUMNS": "160"},
        timeout=900,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
