import sys
import time
from pathlib import Path

import pytest

from cli.run.supervised import SupervisedWorker, exit_words, rotate, said
from libs.runtime import exits


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed by SIGKILL"),
        (-15, "killed by SIGTERM"),
        (-99, "killed by signal 99"),
        (exits.TOPOLOGY_MISMATCH, exits.WORDS[exits.TOPOLOGY_MISMATCH]),
        (exits.NATS_CLOSED, exits.WORDS[exits.NATS_CLOSED]),
        (exits.LOOP_FROZEN, exits.WORDS[exits.LOOP_FROZEN]),
        (77, "ended with code 77"),
    ],
)
def test_exit_codes_are_said_in_words(code: int, words: str) -> None:
    assert exit_words(code) == words


def test_the_logs_of_the_last_starts_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "feed-1.log"
    for start in range(6):
        rotate(log)
        log.write_text(f"start {start}")
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {
        "feed-1.log": "start 5",
        "feed-1.log.1": "start 4",
        "feed-1.log.2": "start 3",
        "feed-1.log.3": "start 2",
    }


def test_a_worker_that_ended_is_due_after_its_delay_and_tells_its_last_words(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('first\\nno such stream\\n\\n'); sys.exit(3)"
    worker = SupervisedWorker("feed", 1, tmp_path / "feed-1.log", lambda port: {}, [sys.executable, "-S", "-c", code])
    worker.start(now=100.0)
    assert worker.child is not None
    assert worker.child.ended_within(10)
    assert worker.reap(now=101.0) == 3
    assert (worker.state, worker.due, worker.last_exit) == ("waiting", 102.0, 3)
    assert worker.last_words() == "no such stream"
    assert worker.reap(now=102.0) is None


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("plain words", "plain words"),
        ('{"msg": "the task failed", "level": "CRITICAL"}', "the task failed"),
        ('{"msg": "it failed", "exception": "Traceback:\\n  x\\nWrongMarket: no"}', "it failed: WrongMarket: no"),
        ("[1, 2]", "[1, 2]"),
        ('{"other": 1}', '{"other": 1}'),
    ],
)
def test_a_log_line_is_told_as_its_message(line: str, wanted: str) -> None:
    assert said(line) == wanted


def test_a_worker_whose_port_was_taken_meanwhile_gets_another(tmp_path: Path) -> None:
    import socket

    ports: list[int] = []

    def env(port: int) -> dict[str, str]:
        ports.append(port)
        return {}

    worker = SupervisedWorker("feed", 1, tmp_path / "feed-1.log", env, [sys.executable, "-S", "-c", ""])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        worker.port = taken.getsockname()[1]
        worker.start(time.monotonic())
        assert worker.child is not None
        worker.child.ended_within(10)
        assert ports[0] == worker.port != taken.getsockname()[1]
