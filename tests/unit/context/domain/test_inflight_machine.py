"""Any interleaving of requests, redeliveries, crashes, ends and deadlines over one account's place.

The world here does what the handlers do, step by step, so that a crash may come between any two of them.
"""

from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import InFlight
from services.context.domain.inflight import PlaceFacts, RequestCourse, ask, decision_id, known, overdue, release
from tests.fakes.context_values import at, request
from tests.forms import examples

DEADLINE = 120.0


class Place(RuleBasedStateMachine):
    asked = Bundle("asked")

    @initialize()
    def begin(self) -> None:
        self.slot = InFlight(account_id="acc1")
        self.now = 0.0
        self.version = 1
        self.requests: dict[str, DecisionRequest] = {}
        self.unacknowledged: set[str] = set()  # request messages
        self.contexts: dict[str, tuple[float, int]] = {}  # decision → market time and version of its context
        self.ends: dict[str, str] = {}  # decision → how it ended; the log takes the first alone
        self.unread: list[str] = []  # ends that nobody has taken in yet
        self.answered_by: dict[str, str] = {}

    def facts(self) -> PlaceFacts:
        return PlaceFacts(at(self.now), at(self.now + DEADLINE), self.version, {})

    def end(self, decision: str, how: str) -> bool:
        """Whether the log took it."""
        if decision in self.ends:
            return False
        self.ends[decision] = how
        if how != "answered":
            self.unread.append(decision)
        return True

    def build(self, decision: str, body: DecisionRequest) -> None:
        self.contexts.setdefault(decision, (self.now, self.version))

    def decision(self, body: DecisionRequest) -> str:
        return decision_id(body.account_id, body.cycle)

    @rule(
        target=asked,
        wish=st.sampled_from([None, None, None, None, "a", "b", "c", "d", "e"]),
        facts=st.booleans(),
        version=st.booleans(),
        delivered=st.sampled_from(["not yet", "never", "never", "after place"]),
    )
    def publish(self, wish: str | None, facts: bool, version: bool, delivered: str) -> str:
        self.now += 1
        self.version += version
        name = f"r{len(self.requests)}"
        more: dict[str, Any] = {"model": wish}
        if wish is None and facts:
            more["facts_since"] = at(self.now)
        if wish is None and version:
            more["account_version"] = self.version
        self.requests[name] = request(at(self.now), request_id=name, cycle=f"request:{name}", **more)
        self.unacknowledged.add(name)
        if delivered != "not yet":
            self.deliver(name, delivered)
        return name

    @rule(name=asked, dies=st.sampled_from(["never", "after place", "before ack"]))
    def deliver_again(self, name: str, dies: str) -> None:
        """Also a message that was acknowledged: a second copy of it, or a late delivery to a process that slept."""
        self.deliver(name, dies)

    def deliver(self, name: str, dies: str) -> None:
        body = self.requests[name]
        asking = ask(self.slot, body, self.facts())
        self.slot = asking.slot
        if dies == "after place":
            return
        if asking.course in (RequestCourse.TAKE, RequestCourse.GO_ON):
            assert self.slot.holder is not None and self.slot.holder.request_id == name
            self.build(self.decision(body), body)
        if asking.course is RequestCourse.BUSY:
            assert body.model is not None, "a trigger was refused"
            self.end(self.decision(body), "rejected")
        if dies == "never":
            self.unacknowledged.discard(name)

    @rule(decided=st.booleans())
    def decide(self, decided: bool) -> None:
        """A decision whose context is stored ends, sooner or later."""
        open_ones = [d for d in self.contexts if d not in self.ends]
        if open_ones:
            self.end(open_ones[-1], "validated" if decided else "rejected")

    @rule()
    def all_ends(self) -> None:
        self.decide(decided=True)
        while self.unread:
            self.take_in_an_end("never", 0)

    @rule(dies=st.sampled_from(["never", "after answers", "after place"]), n=st.integers(0, 3))
    def take_in_an_end(self, dies: str, n: int) -> None:
        if not self.unread:
            return
        decision = self.unread[n % len(self.unread)]
        self.let_go(decision, dies)
        if dies == "never":
            self.unread.remove(decision)

    def let_go(self, decision: str, dies: str = "never") -> None:
        holder = self.slot.holder
        if holder is not None and holder.decision_id == decision:
            for joined in holder.joined:
                mine = decision_id("acc1", joined.cycle)
                if self.end(mine, "answered"):
                    self.answered_by[joined.request_id] = decision
            if dies == "after answers":
                return
            freed = release(self.slot, decision, self.facts(), decided=self.ends[decision] == "validated")
            assert freed is not None
            self.slot = freed
            if dies == "after place":
                return
        following = self.slot.holder
        if following is not None and following.after == decision:
            self.build(following.decision_id, following.request)

    @rule()
    def sweep(self) -> None:
        if overdue(self.slot, at(self.now)):
            assert self.slot.holder is not None
            decision = self.slot.holder.decision_id
            if not self.end(decision, "rejected") and decision not in self.unread:
                self.let_go(decision)

    @rule(seconds=st.sampled_from([1.0, 10.0, DEADLINE + 1]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def each_request_has_one_place(self) -> None:
        held = [self.slot.holder.request_id] if self.slot.holder else []
        joined = [one.request_id for one in self.slot.holder.joined] if self.slot.holder else []
        waiting = [w.request.request_id for w in self.slot.line]
        behind = [one.request_id for w in self.slot.line for one in w.joined]
        assert [n for n, count in Counter(held + joined + waiting + behind).items() if count > 1] == []

    @invariant()
    def nothing_that_waits_has_begun(self) -> None:
        for waiting in self.slot.line:
            assert self.decision(waiting.request) not in self.contexts

    @invariant()
    def answers_are_from_facts_that_are_new_enough(self) -> None:
        for name, by in self.answered_by.items():
            body = self.requests[name]
            if by in self.contexts:
                built, version = self.contexts[by]
                assert body.facts_since is None or at(built) >= body.facts_since
                assert version >= (body.account_version or 0)

    @invariant()
    def no_request_is_forgotten(self) -> None:
        """Whoever was acknowledged has a place or an end."""
        for name, body in self.requests.items():
            if name not in self.unacknowledged:
                assert name in known(self.slot) or self.decision(body) in self.ends

    def teardown(self) -> None:
        """When everything works again, every request ends, once, within a bounded number of steps."""
        if not hasattr(self, "slot"):
            return
        for _ in range(4 * len(self.requests) + 8):
            for name in sorted(self.unacknowledged):
                self.deliver(name, "never")
            for decision in [d for d in self.contexts if d not in self.ends]:
                self.end(decision, "validated")
            while self.unread:
                self.take_in_an_end("never", 0)
            if self.slot.holder:
                self.now += DEADLINE + 1
                self.sweep()
        assert self.slot.holder is None and self.slot.line == () and not self.unacknowledged
        missing = [n for n, body in self.requests.items() if self.decision(body) not in self.ends]
        assert missing == []


Place.TestCase.settings = examples(30, 1_000, stateful_step_count=40)
TestPlace = Place.TestCase
