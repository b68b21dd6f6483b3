"""Changes of configuration: one version more each, by whom and why, and races of writers."""

from decimal import Decimal

import pytest

from libs.configuration.accounts import Accounts
from libs.configuration.configuration import By, ConfigEntry, ConfigRefusal, Configuration, Refused, by_of, updated
from libs.configuration.strategies import Strategies, assignments
from libs.configuration.templates import JinjaTemplates
from libs.schemas.account import Account
from libs.schemas.names import key_of
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import account_key, strategy_key, venue_key
from tests.builders import venue
from tests.fakes.config_store import FakeConfigStore
from tests.fakes.validator_values import account, strategy

BY = By("anna", "a test")


class Desk:
    """Configuration with one account, two strategies and the venue's filters."""

    def __init__(self) -> None:
        self.store = FakeConfigStore()
        self.configuration = Configuration(self.store)
        self.strategies = Strategies(self.configuration, JinjaTemplates())
        self.accounts = Accounts(self.configuration, self.strategies)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            self.store.put_now(venue_key("paper", symbol), venue(symbol).model_dump_json().encode(), BY)

    async def filled(self) -> "Desk":
        for name in ("trend", "other"):
            assert isinstance(await self.strategies.add(strategy(strategy_id=name, version=1), BY), ConfigEntry)
        assert isinstance(await self.accounts.add(account(), BY), ConfigEntry)
        return self


@pytest.fixture
async def desk() -> Desk:
    return await Desk().filled()


def body(found: ConfigEntry[Account] | Refused) -> Account:
    assert isinstance(found, ConfigEntry), found
    return found.body


def why(found: object) -> ConfigRefusal:
    assert isinstance(found, Refused), found
    return found.why


async def test_a_change_is_one_version_more_and_says_who_and_why(desk: Desk) -> None:
    changed = body(await desk.accounts.change("acc1", {"rate_limit": 7}, By("bert", "too many calls")))
    assert (changed.rate_limit, changed.version) == (7, 2)
    last = (await desk.store.history(account_key(key_of("acc1"))))[-1]
    assert (last.by.who, last.by.why) == ("bert", "too many calls")


async def test_what_changes_nothing_is_not_written(desk: Desk) -> None:
    before = len(desk.store.writes)
    assert body(await desk.accounts.change("acc1", {"rate_limit": 60}, BY)).version == 1
    assert len(desk.store.writes) == before


async def test_two_writers_at_once_both_count(desk: Desk) -> None:
    key = account_key(key_of("acc1"))
    other = account().model_copy(update={"leverage": Decimal(2), "version": 2})

    def meanwhile(written: str) -> None:
        desk.store.before_put = lambda _: None
        desk.store.put_now(key, other.model_dump_json().encode(), By("other", "first"))

    desk.store.before_put = meanwhile
    changed = body(await desk.accounts.change("acc1", {"rate_limit": 7}, BY))
    assert (changed.leverage, changed.rate_limit, changed.version) == (Decimal(2), 7, 3)


async def test_a_named_version_is_changed_or_none(desk: Desk) -> None:
    await desk.accounts.change("acc1", {"rate_limit": 7}, BY)
    assert why(await desk.accounts.change("acc1", {"rate_limit": 8}, BY, version=1)) is ConfigRefusal.VERSION
    assert body(await desk.accounts.change("acc1", {"rate_limit": 8}, BY, version=2)).version == 3


async def test_a_key_that_everybody_writes_is_given_up_in_words(desk: Desk) -> None:
    def always(key: str) -> None:
        desk.store.put_now(key, account().model_dump_json().encode(), BY)

    desk.store.before_put = always
    assert why(await desk.accounts.change("acc1", {"rate_limit": 7}, BY)) is ConfigRefusal.CONTESTED


REFUSED_CHANGES: dict[str, tuple[dict[str, object], ConfigRefusal, str | None]] = {
    "a field that is not there": ({"leverge": 3}, ConfigRefusal.INVALID, "leverge"),
    "a value out of bounds": ({"leverage": 126}, ConfigRefusal.INVALID, "leverage"),
    "the opening balance": ({"initial_balance": 5}, ConfigRefusal.INVALID, "initial_balance"),
    "the id": ({"account_id": "other"}, ConfigRefusal.INVALID, "account_id"),
    "the version": ({"version": 9}, ConfigRefusal.INVALID, "version"),
    "a strategy that is not there": ({"strategy_id": "none"}, ConfigRefusal.MISSING, "strategy_id"),
    "a symbol that the venue does not know": ({"symbols": ["DOGEUSDT"]}, ConfigRefusal.UNFIT, None),
}


@pytest.mark.parametrize("case", REFUSED_CHANGES)
async def test_changes_that_are_refused_leave_the_account_as_it_was(desk: Desk, case: str) -> None:
    fields, expected, field = REFUSED_CHANGES[case]
    found = await desk.accounts.change("acc1", fields, BY)
    assert (why(found), found.field if isinstance(found, Refused) else "") == (expected, field)
    assert body(await desk.accounts.get("acc1")) == account()


async def test_an_account_cannot_be_made_twice_and_an_unknown_one_not_changed(desk: Desk) -> None:
    assert why(await desk.accounts.add(account(), BY)) is ConfigRefusal.EXISTS
    assert why(await desk.accounts.change("nobody", {"rate_limit": 7}, BY)) is ConfigRefusal.MISSING


async def test_an_account_is_paused_and_resumed(desk: Desk) -> None:
    assert body(await desk.accounts.set_status("acc1", "paused", BY)).status == "paused"
    assert body(await desk.accounts.set_status("acc1", "active", BY)).version == 3


async def test_every_version_of_a_strategy_stays_readable(desk: Desk) -> None:
    for n in (2, 3):
        changed = await desk.strategies.change("trend", {"max_positions": n + 2}, By("anna", f"step {n}"))
        assert isinstance(changed, ConfigEntry)
        assert changed.body.version == n
    found = await desk.strategies.versions("trend")
    assert [(one.version, one.max_positions, one.changed_because) for one in found] == [
        (3, 5, "step 3"),
        (2, 4, "step 2"),
        (1, 3, "a test"),
    ]
    first = await desk.strategies.get("trend", 1)
    assert isinstance(first, ConfigEntry)
    assert first.body.max_positions == 3


async def test_a_version_whose_copy_a_crash_prevented_is_copied_before_the_next_one(desk: Desk) -> None:
    left = strategy(version=2, max_positions=9)
    desk.store.put_now(strategy_key(key_of("trend")), left.model_dump_json().encode(), BY)
    assert isinstance(await desk.strategies.change("trend", {"max_positions": 4}, BY), ConfigEntry)
    assert [one.max_positions for one in await desk.strategies.versions("trend")] == [4, 9, 3]


async def test_an_id_and_a_version_in_a_file_change_nothing(desk: Desk) -> None:
    changed = await desk.strategies.change("trend", {"strategy_id": "x", "version": 70, "max_positions": 4}, BY)
    assert isinstance(changed, ConfigEntry)
    assert (changed.body.strategy_id, changed.body.version) == ("trend", 2)


WRONG_STRATEGIES: dict[str, tuple[dict[str, object], ConfigRefusal, str]] = {
    "scalping on hours": (
        {"strategy_type": "scalping", "timeframe_preference": ["1h"]},
        ConfigRefusal.INVALID,
        "timeframe_preference",
    ),
    "a name that is not defined": ({"prompt_template": "{{ nothing }}"}, ConfigRefusal.TEMPLATE, "prompt_template"),
    "a name that only a position shows": (
        {"prompt_template": "{% for p in account.open_positions %}{{ p.nothing }}{% endfor %}"},
        ConfigRefusal.TEMPLATE,
        "prompt_template",
    ),
    "an escape": ({"prompt_template": "{{ ''.__class__.__mro__ }}"}, ConfigRefusal.TEMPLATE, "prompt_template"),
    "a value out of bounds": ({"max_positions": 0}, ConfigRefusal.INVALID, "max_positions"),
    "more risk than the day allows": (
        {"risk_parameters": strategy().risk_parameters.model_dump() | {"max_daily_loss": 0.5}},
        ConfigRefusal.INVALID,
        "body",
    ),
}


@pytest.mark.parametrize("case", WRONG_STRATEGIES)
async def test_a_wrong_strategy_is_never_stored(desk: Desk, case: str) -> None:
    fields, expected, field = WRONG_STRATEGIES[case]
    found = await desk.strategies.change("trend", fields, BY)
    assert why(found) is expected
    assert isinstance(found, Refused)
    assert field in (found.field or "body")
    assert [one.version for one in await desk.strategies.versions("trend")] == [1]


async def test_a_strategy_in_use_cannot_be_deleted_and_another_one_can(desk: Desk) -> None:
    refused = await desk.strategies.delete("trend", BY)
    assert why(refused) is ConfigRefusal.IN_USE
    assert isinstance(refused, Refused)
    assert "acc1" in refused.message
    assert await desk.strategies.delete("other", BY) is None
    assert why(await desk.strategies.get("other")) is ConfigRefusal.MISSING
    assert [one.version for one in await desk.strategies.versions("other")] == [1]
    again = await desk.strategies.add(strategy(strategy_id="other"), BY)
    assert isinstance(again, ConfigEntry)
    assert again.body.version == 2


async def test_a_strategy_that_is_assigned_while_it_is_deleted_comes_back(desk: Desk) -> None:
    taken = account(strategy_id="other", version=2)

    def meanwhile(key: str) -> None:
        desk.store.before_put = lambda _: None
        desk.store.put_now(account_key(key_of("acc1")), taken.model_dump_json().encode(), By("other", "at once"))

    desk.store.before_put = lambda key: meanwhile(key) if key == strategy_key(key_of("other")) else None
    assert why(await desk.strategies.delete("other", BY)) is ConfigRefusal.IN_USE
    found = await desk.strategies.get("other")
    assert isinstance(found, ConfigEntry)
    assert found.body.model_copy(update={"version": 1}) == (await desk.strategies.versions("other"))[-1]


async def test_an_assignment_to_a_strategy_that_is_deleted_at_once_is_undone(desk: Desk) -> None:
    def meanwhile(key: str) -> None:
        desk.store.before_put = lambda _: None
        desk.store.put_now(strategy_key(key_of("other")), None, By("other", "at once"))

    desk.store.before_put = meanwhile
    assert why(await desk.accounts.assign("acc1", "other", BY)) is ConfigRefusal.MISSING
    assert body(await desk.accounts.get("acc1")).strategy_id == "trend"


async def test_a_switch_has_a_history(desk: Desk) -> None:
    await desk.accounts.assign("acc1", "other", By("bert", "quieter"))
    await desk.accounts.change("acc1", {"rate_limit": 7}, BY)
    await desk.accounts.assign("acc1", "trend", By("anna", "back"))
    found = assignments(await desk.store.history(account_key(key_of("acc1"))))
    assert [(by.who, by.why, name, version) for _, by, name, version in found] == [
        ("anna", "back", "trend", 4),
        ("bert", "quieter", "other", 2),
        ("anna", "a test", "trend", 1),
    ]


@pytest.mark.parametrize("text", ["naïve – “quoted”\nline", "x" * 900, ""])
def test_who_and_why_come_through_a_header_as_they_were(text: str) -> None:
    header = By("anna", text).header()
    assert all(value.isascii() and "\n" not in value for value in header.values())
    assert by_of(header) == By("anna", text[:500])


@pytest.mark.parametrize("header", [None, {}, {"Perpetua-Change": "x"}, {"Perpetua-Change": "[]"}])
def test_of_a_write_past_the_library_nobody_knows_the_author(header: dict[str, str] | None) -> None:
    assert by_of(header).who == "unknown"


def test_a_change_of_fields_checks_the_whole() -> None:
    assert why(updated(strategy(), {"position_sizing": "fixed"})) is ConfigRefusal.INVALID
    changed = updated(strategy(), {"position_sizing": "fixed", "fixed_margin_usd": 5})
    assert isinstance(changed, TradingStrategy)
