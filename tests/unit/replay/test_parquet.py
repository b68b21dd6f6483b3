"""Parquet beside the JSON lines: the same rows, read by another reader than wrote them."""

from datetime import datetime
from pathlib import Path

import orjson
import pyarrow.parquet
import pytest

from replay.parquet import COLUMNS, write_parquet
from tests.integration.replay.test_results import done
from tests.unit.replay.markets import market, wanted


def test_each_table_has_the_rows_of_its_lines(tmp_path: Path) -> None:
    done(tmp_path, wanted(market(215, 130, wild=0.005)))
    for file in write_parquet(tmp_path):
        lines = [orjson.loads(line) for line in file.with_suffix(".jsonl").read_bytes().splitlines()]
        table = pyarrow.parquet.read_table(file).to_pylist()
        assert len(table) == len(lines) > 0
        assert set(table[0]) == set(COLUMNS[f"{file.stem}.jsonl"])
        for row, line in zip(table, lines, strict=True):
            assert row.get("at") in (None, *(datetime.fromisoformat(line[name]) for name in ("at",) if name in line))
            for name in ("equity", "pnl", "1h"):
                assert row.get(name) == (None if line.get(name) is None else pytest.approx(float(line[name])))


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    done(tmp_path, wanted(market(190, 130, wild=0.005)))
    first = {file.name: file.read_bytes() for file in write_parquet(tmp_path)}
    assert {file.name: file.read_bytes() for file in write_parquet(tmp_path)} == first
