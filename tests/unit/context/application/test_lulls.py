"""Looks that are left out would have found nothing: whatever happens, what is due is due at the same moment."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from libs.schemas.context import DecisionRequest
from services.context.application.cycles import due_now
from services.context.domain.lulls import Lulls
from services.context.ports import Place
from tests.builders import account, position, state
from tests.fakes.context_ports import World
from tests.fakes.context_values import at, tick
from tests.unit.context.domain.test_causes import event, holding, slot, taken, waiting

BOUNDARY = 1_500 * 60
NAMES = ("acc1", "acc2", "acc3")


class Life:
    """Three accounts, and what may happen to them at `seconds` after the boundary."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.seconds = 0.0
        self.due = list[DecisionRequest]()
        for name in NAMES:
            world.config.add(account(account_id=name))

    def step(self) -> None:
        happenings: tuple[Callable[[str], None], ...] = (
            *(self.configured, self.moved, self.moved, self.asked, self.asked),
            *(self.executed, self.decided, self.held, self.set_back),
        )
        self.seconds += self.random.choice((0.25, 1, 5, 20, 61))
        self.world.clock.time = at(BOUNDARY + self.seconds)
        for _ in range(self.random.randint(0, 2)):
            self.random.choice(happenings)(self.random.choice(NAMES))

    def configured(self, name: str) -> None:
        price, near, pause = (
            self.random.choice((None, 1.0)),
            self.random.choice((None, 30)),
            self.random.choice((0, 45)),
        )
        more = {"price_trigger_pct": price, "funding_near_min": near, "min_seconds_between_decisions": pause}
        self.world.config.add(account(account_id=name, **more))

    def moved(self, name: str) -> None:
        funding = self.world.clock.now() + timedelta(minutes=self.random.choice((20, 45)))
        price = self.random.choice((98.9, 99, 100, 100.5, 101, 101.2))
        self.world.market.on_tick(tick(BOUNDARY + self.seconds, price, next_funding_time=funding), 1)

    def asked(self, name: str) -> None:
        """What was due is published, as far as this one is about it."""
        for body in self.due:
            if body.account_id == name:
                self.world.requests.note(body, 1)

    def executed(self, name: str) -> None:
        happened = event(version=self.random.randint(1, 4)).model_copy(update={"at": self.world.clock.now()})
        self.world.positions.newest[name] = happened

    def decided(self, name: str) -> None:
        last = taken(BOUNDARY + self.seconds, self.random.randint(0, 4))
        line = (waiting(),) if self.random.random() < 0.2 else ()
        holder = holding(BOUNDARY + self.seconds) if self.random.random() < 0.2 else None
        self.world.places.places[name] = Place(slot(last, *line, holder=holder), 1)

    def held(self, name: str) -> None:
        held = (position(),) if self.random.random() < 0.5 else ()
        self.world.states.states[name] = state(account_id=name, positions=held)

    def set_back(self, name: str) -> None:
        if self.random.random() < 0.2:
            self.seconds -= 30
            self.world.clock.time -= timedelta(seconds=30)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_due_is_what_a_look_at_every_account_finds(young: World, seed: int) -> None:
    life = Life(young, seed)
    kept, left_out, came_due = young.deps, 0, 0
    for _ in range(150):
        life.step()
        now = young.clock.now()
        life.due = list(due_now(replace(kept, lulls=Lulls()), now))
        looked_at = _Counted(kept.lulls)
        assert list(due_now(replace(kept, lulls=looked_at), now)) == life.due
        left_out += looked_at.left_out
        came_due += len(life.due)
    assert left_out > 25
    assert came_due > 25


class _Counted(Lulls):
    """The same lulls, and how often one of them held."""

    def __init__(self, lulls: Lulls) -> None:
        self._lulls = lulls._lulls
        self.left_out = 0

    def holds(self, *of: object) -> bool:
        held = super().holds(*of)  # type: ignore[arg-type]
        self.left_out += held
        return held
