"""`perpetua init` at a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from cli.project import ROOT
from cli.run.seed import read_accounts


def test_who_types_is_asked_again_after_a_mistake(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cli.main", "init", "--state-dir", str(tmp_path / "own")]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        os.write(ours, b"BTCUSDT\nmuch\n750\n\n\n")
        output, _ = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert b"a balance of 'much' is not possible: take a number" in output
    assert process.returncode == 0, output
    (account,) = read_accounts(tmp_path / "own" / "config")
    assert (account.symbols, str(account.initial_balance), account.strategy_id) == (("BTCUSDT",), "750", "scalping")
