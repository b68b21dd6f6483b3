"""One run: everything from a seed, faults for a while, then quiet, and then the judge."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from libs.invariants.values import InvariantCheck
from libs.runtime.emit import Emit
from libs.runtime.ending import end
from libs.runtime.envelope import headers
from libs.schemas import ids, subjects
from libs.schemas.context import DecisionRequest, Trigger
from libs.schemas.topology import Durable
from simulation.faults import FaultPlan, drawn
from simulation.jetstream import JetStreamServer
from simulation.judging import judged
from simulation.loop import Deadlock, SimulatedLoop
from simulation.market import RandomMarket, fed
from simulation.mongodb import ExecutorDatabase
from simulation.process import BEGINS, SimulatedProcess, SimulatedWorld
from simulation.setting import ACCOUNTS, catalogue, configuration
from simulation.workers import START, STORED, SimulatedServers

COPIES = 2
TROUBLE_S = 75.0
QUIET_S = 120.0
REQUESTS = 18
FAULTS = 12
AWAITED: tuple[Durable, ...] = (
    subjects.CONTEXT_REQUESTS,
    subjects.CONTEXT_ENDS,
    subjects.DECIDER_CONTEXTS,
    subjects.VALIDATOR_PROPOSALS,
    *(subjects.EXECUTOR_PARTITIONS[ids.partition(name)] for name in ACCOUNTS),
    *STORED,
    subjects.LEDGER_ADVISORIES,
)


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What came of a seed. `broken` is empty where every promise held."""

    seed: int
    checks: tuple[InvariantCheck, ...]
    broken: tuple[str, ...]
    counts: dict[str, int]
    faults: Counter[tuple[str, str, str]]
    trace: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of everything that happened, in its order."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def plan_of(seed: int) -> FaultPlan:
    """What goes wrong in a seed."""
    return drawn(Random(f"faults:{seed}"), TROUBLE_S, FAULTS)


@dataclass(slots=True)
class Simulation:
    """`plan` in the place of the seed's own faults; `off` are lines that protect (lines.py) and are left out."""

    seed: int
    plan: FaultPlan | None = None
    off: frozenset[str] = frozenset()
    lives: Counter[str] = field(default_factory=Counter)

    def run(self) -> SeedResult:
        random = Random(f"perpetua:{self.seed}")
        plan = self.plan if self.plan is not None else plan_of(self.seed)
        loop = SimulatedLoop(random)
        world = SimulatedWorld(loop, random, plan, self.off)
        market = RandomMarket(random)
        servers = SimulatedServers(
            world=world,
            server=JetStreamServer(world),
            config=configuration(),
            catalogue=catalogue(),
            market=market,
            history=market.history(("1m", "1h")),
            database=ExecutorDatabase(world),
        )
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            quiet = loop.run_until_complete(self._course(servers))
        except Deadlock as error:
            quiet = str(error)
        finally:
            logging.disable(before)
            loop.bury()
            loop.close()
        return self._result(servers, quiet)

    def _result(self, servers: SimulatedServers, quiet: str) -> SeedResult:
        checks = judged(servers)
        broken = [f"{c.invariant} {b.about}: {b.said}" for c in checks for b in c.breaches]
        broken += [f"{c.invariant} {c.promise}: {c.moving} in hand at the end" for c in checks if c.moving]
        broken += [quiet] if quiet else []
        broken += servers.world.loop.failures
        met, trace = servers.world.faults.met, tuple(servers.world.trace)
        return SeedResult(self.seed, checks, tuple(broken), _counts(servers), met, trace)

    async def _course(self, servers: SimulatedServers) -> str:
        loop, server = servers.world.loop, servers.server
        for durable in AWAITED:
            server.durable(durable)
        feed = loop.create_task(fed(server, servers.market))
        for worker in START:
            for number in range(1, COPIES + 1):
                self._begin(servers, f"{worker}-{number}", worker, 0.0)
        asking = loop.create_task(_asked(servers))
        await asyncio.sleep(TROUBLE_S)
        servers.world.faults.end()
        await asking
        said = await _quiet(servers)
        await end([feed])
        return said

    def _begin(self, servers: SimulatedServers, place: str, worker: str, after: float) -> None:
        """A life of a worker, and the next one when it ends."""
        self.lives[place] += 1
        name = f"{place}.{self.lives[place]}"

        def again(seconds: float) -> None:
            self._begin(servers, place, worker, seconds)

        process = SimulatedProcess(name, worker, servers.world, again)
        loop = servers.world.loop
        start: Callable[[], object] = lambda: process.begin(START[worker](servers, process), "start")  # noqa: E731
        loop.outside(loop.time() + after, start)


async def _asked(servers: SimulatedServers) -> None:
    """Clients ask, now and then twice, as one does that heard no answer."""
    random, loop = servers.world.random, servers.world.loop
    for number in range(REQUESTS):
        await asyncio.sleep(random.uniform(0.5, TROUBLE_S / REQUESTS * 1.6))
        now = BEGINS + timedelta(seconds=loop.time())
        name = f"ask-{number}"
        body = DecisionRequest(
            request_id=name,
            account_id=random.choice(ACCOUNTS),
            cycle=ids.request_cycle(name),
            trigger=Trigger(kind="api"),
            dry_run=random.random() < 0.1,
            requested_by="simulation",
            requested_at=now,
            expires_at=now + timedelta(seconds=60),
        )
        emit = Emit(subjects.decision_requested(body.account_id), body)
        for _ in range(random.choice((1, 1, 2))):
            data = body.model_dump_json(exclude_none=True).encode()
            servers.server.publish(emit.subject, headers(emit, "gateway", now), data)
            await asyncio.sleep(0.01)


async def _quiet(servers: SimulatedServers) -> str:
    """Wait until nothing is in anybody's hands; what is said is why it never came to that."""
    loop = servers.world.loop
    until, calm = loop.time() + QUIET_S, 0
    while loop.time() < until:
        await asyncio.sleep(0.5)
        left = _in_hand(servers)
        calm = 0 if left else calm + 1
        if calm == 6:
            return ""
    return f"not quiet {QUIET_S:g} s after the last fault: {', '.join(_in_hand(servers))}"


def _in_hand(servers: SimulatedServers) -> list[str]:
    held = [durable.name for durable in AWAITED if not servers.server.durable(durable).idle]
    held += [f"outbox of {name}" for name, found in servers.database.documents.items() if found.outbox or found.plans]
    return held


def _counts(servers: SimulatedServers) -> dict[str, int]:
    streams, log = servers.server.streams, Counter[str]()
    for name in ("REQUESTS", "CONTEXTS", "DECISIONS", "ORDERS", "DEAD"):
        log.update(".".join(message.subject.split(".")[:2]) for message in streams[name].messages)
    return {
        "seconds": int(servers.world.loop.time()),
        "steps": servers.world.loop.steps,
        "faults": sum(servers.world.faults.met.values()),
        **{name: count for name, count in sorted(log.items())},
    }
