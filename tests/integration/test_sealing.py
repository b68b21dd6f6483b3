"""Seals against real servers: several ledgers make one chain, a death in between leaves nothing unsealed or untold, and
the exported file is checked by a program of the documents that knows nothing of ours."""

import asyncio
import base64
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.ask.seals import checked, export, heads
from cli.commands.root import app
from cli.connection import connected
from cli.project import ROOT
from libs.invariants.values import InvariantCheck
from libs.records.collections import SEALS
from libs.records.provision import provision
from libs.records.reading import RecordsDb
from libs.records.seals import stored_seals
from libs.runtime.bus import Bus
from libs.runtime.clock import WallClock
from libs.runtime.emit import Emit
from libs.runtime.mongo import client
from libs.runtime.provision import provision_nats
from services.ledger.adapters.seals import FollowedHistory, MongoSeals
from services.ledger.application.sealing import Sealer
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration
ACCOUNTS = ("one", "other")


class Died(Exception):
    """Where a test ends a sealer."""


@dataclass
class Place:
    bus: Bus
    db: RecordsDb
    nats_url: str
    mongodb_url: str

    async def happens(self, *stories: str) -> None:
        for story in stories:
            for account in ACCOUNTS:
                for subject in ("decision.proposed", "order.placed", "position.opened"):
                    await self.bus.js.publish(f"{subject}.{account}", json.dumps({"story": story}).encode())

    @asynccontextmanager
    async def sealer(self, tell: Callable[[Emit], Awaitable[object]] | None = None) -> AsyncIterator[Sealer]:
        """One that has read everything that is there now."""
        store, tail = MongoSeals(self.db), FollowedHistory(self.bus)
        await tail.begin(await store.swept())
        last = {name: (await self.bus.js.stream_info(name)).state.last_seq for name in ("DECISIONS", "ORDERS")}
        swept = await store.swept()
        async with asyncio.timeout(PATIENCE_S):
            while any(tail.through()[n] < last[n] > swept.get(n, 0) for n in last):  # noqa: ASYNC110 - a reader's
                await asyncio.sleep(0.01)
        yield Sealer(store, tail, tell or self.bus.publish, WallClock())
        await tail.stop()

    async def exported(self, file: Path) -> InvariantCheck:
        with file.open("w") as out:
            await export(self.nats_url, self.mongodb_url, out)
        known = file.with_suffix(".heads")
        known.write_text("\n".join(await heads(self.mongodb_url)))
        return checked(file, known)

    async def told(self) -> list[str]:
        info = await self.bus.js.stream_info("AUDIT")
        found = [await self.bus.js.get_msg("AUDIT", n) for n in range(1, info.state.last_seq + 1)]
        return [json.loads(message.data or b"")["event_id"] for message in found]


@pytest.fixture
async def place(
    nats_url: str, mongo_url: str, mongo_db_name: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    monkeypatch.setenv("PERPETUA_MONGODB_DB", mongo_db_name)
    mongo = client(mongo_url)
    await provision(mongo[mongo_db_name])
    async with connected(nats_url) as bus:
        await provision_nats(bus.js)
        yield Place(bus, mongo[mongo_db_name], nats_url, mongo_url)
    await mongo.close()


async def test_several_ledgers_seal_one_chain_and_what_comes_late_is_in_the_next_seal(
    place: Place, tmp_path: Path
) -> None:
    await place.happens("first", "second")
    async with place.sealer() as one, place.sealer() as other:
        made = await asyncio.gather(one.once(), other.once(), one.once(), other.once())
        assert sum(made) == len(ACCOUNTS)
        assert (await place.exported(tmp_path / "x.jsonl")).status == "holds"
    await place.happens("late")
    async with place.sealer() as third:
        assert await third.once() == len(ACCOUNTS)
        assert await third.once() == 0
    check = await place.exported(tmp_path / "y.jsonl")
    assert (check.status, check.moving) == ("holds", 0)
    chain = [one.seal for one in await stored_seals(place.db) if one.seal.account_id == "one"]
    assert [(seal.number, len(seal.messages)) for seal in chain] == [(1, 6), (2, 3)]
    assert sorted(await place.told()) == sorted(f"seal:{name}:{n}" for name in ACCOUNTS for n in (1, 2))


async def test_a_ledger_that_dies_between_a_seal_and_its_head_is_made_up_for(place: Place, tmp_path: Path) -> None:
    async def die(emit: Emit) -> None:
        raise Died

    await place.happens("first")
    async with place.sealer(die) as dying:
        with pytest.raises(Died):
            await dying.once()
    assert await place.db[SEALS].count_documents({"told": False}) == 1
    async with place.sealer() as next_one:
        await next_one.once()
    assert (await place.exported(tmp_path / "x.jsonl")).status == "holds"
    assert sorted(await place.told()) == ["seal:one:1", "seal:other:1"]
    assert await place.db[SEALS].count_documents({"told": False}) == 0


def program() -> str:
    """The program of docs/reliability.md."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "reliability.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_exported_file_is_checked_by_the_program_of_the_documents(place: Place, tmp_path: Path) -> None:
    await place.happens("first", "second")
    async with place.sealer() as sealer:
        await sealer.once()
    await place.happens("late")
    async with place.sealer() as sealer:
        await sealer.once()
    await place.exported(file := tmp_path / "x.jsonl")
    known, lines = file.with_suffix(".heads"), file.read_text().splitlines()
    assert _asked(tmp_path, file, known) == (0, 0, "18 messages, 4 seals: as they were sealed")
    for n, change in ((1, _seal), (len(lines) - 1, _message)):
        altered = tmp_path / "altered.jsonl"
        altered.write_text("\n".join([*lines[:n], change(lines[n]), *lines[n + 1 :]]))
        ours, theirs, _ = _asked(tmp_path, altered, known)
        assert ours == 1 and theirs != 0


def _asked(folder: Path, file: Path, known: Path) -> tuple[int, int, str]:
    """What the command and the program say of a file: exit codes, and the program's last line."""
    ours = CliRunner().invoke(app, ["seals", "check", str(file), "--heads", str(known)])
    (script := folder / "check.py").write_text(program())
    theirs = subprocess.run(
        [sys.executable, "-I", str(script), str(file), str(known)], capture_output=True, text=True, check=False
    )
    return ours.exit_code, theirs.returncode, theirs.stdout.strip()


def _seal(line: str) -> str:
    content: dict[str, Any] = json.loads(line)
    content["seal"]["at"] = "at another time"
    return json.dumps(content)


def _message(line: str) -> str:
    content: dict[str, Any] = json.loads(line)
    return json.dumps(content | {"body": base64.b64encode(b"kinder").decode()})
