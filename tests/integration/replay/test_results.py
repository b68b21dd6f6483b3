"""What is written once stays: a run that goes on compares, and another run is refused."""

from pathlib import Path

import pytest

from replay.engine import ReplayInput
from replay.results import OtherRun, RunFolder
from replay.run import ReplayRun, asked
from tests.unit.replay.markets import account, market, wanted

LONG = market(215, 130, wild=0.005)


def done(folder: Path, what: ReplayInput, hours: int | None = None) -> ReplayRun:
    run = ReplayRun(RunFolder(folder, asked(what, Path("data"))), what, full=True)
    steps = run.steps()
    for n, _ in enumerate(steps):
        if n == hours:
            steps.close()
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_two_runs_are_the_same_to_the_last_byte(tmp_path: Path) -> None:
    done(tmp_path / "one", wanted(LONG))
    done(tmp_path / "other", wanted(LONG))
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    assert (tmp_path / "one" / "trades.jsonl").stat().st_size


@pytest.mark.parametrize("cut", [0, 40])
def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Path, cut: int) -> None:
    whole = contents(done(tmp_path / "whole", wanted(LONG)).folder.folder)
    part = tmp_path / "part"
    assert not done(part, wanted(LONG), hours=1).folder.complete
    for file in part.glob("*.jsonl"):
        content = file.read_bytes()
        assert whole[file.name].startswith(content)
        file.write_bytes(content[: len(content) - cut])
    assert done(part, wanted(LONG)).folder.complete
    assert contents(part) == whole


def test_another_past_is_refused_with_the_first_difference(tmp_path: Path) -> None:
    done(tmp_path, wanted(LONG), hours=1)
    file = tmp_path / "decisions.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], b'{"at":"never"}\n', *lines[2:]]))
    with pytest.raises(OtherRun, match=r"decisions\.jsonl:2"):
        done(tmp_path, wanted(LONG))


def test_a_folder_is_of_one_run(tmp_path: Path) -> None:
    done(tmp_path, wanted(LONG), hours=1)
    with pytest.raises(OtherRun, match="another run"):
        done(tmp_path, wanted(LONG, account(leverage=3)))
