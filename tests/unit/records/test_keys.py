"""What a key opens, and what it does not."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.records.keys import KeyRefusal, Scope, new_key, token_hash, token_of
from tests.fakes.ledger_chain import T0

TOKEN = token_of(bytes(range(32)))


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_different_random_bytes_make_different_tokens(one: bytes, other: bytes) -> None:
    assert (token_of(one) == token_of(other)) == (one == other)


def test_a_token_of_too_little_randomness_is_refused() -> None:
    with pytest.raises(ValueError, match="32 random bytes, not 16"):
        token_of(bytes(16))


def test_a_key_keeps_neither_its_token_nor_a_part_of_it() -> None:
    key = new_key(TOKEN, "mine", [Scope.READ], T0)
    assert key.hash == token_hash(TOKEN)
    assert key.key_id.removeprefix("key-") not in key.hash
    assert TOKEN.removeprefix("perp_")[:8] not in repr(key)


@pytest.mark.parametrize(
    ("scopes", "scope", "allowed"),
    [
        ([Scope.READ], Scope.READ, True),
        ([Scope.READ], Scope.DECIDE, False),
        ([Scope.DECIDE], Scope.READ, False),
        ([Scope.DECIDE, Scope.READ], Scope.TRADE, False),
        ([Scope.ADMIN], Scope.TRADE, True),
        ([], Scope.READ, False),
    ],
)
def test_a_scope_allows_itself_and_admin_allows_all(scopes: list[Scope], scope: Scope, allowed: bool) -> None:
    assert new_key(TOKEN, "k", scopes, T0).allows(scope) is allowed


@pytest.mark.parametrize(("accounts", "sees"), [(None, True), (["alpha"], True), (["beta"], False), ([], False)])
def test_a_key_sees_the_accounts_it_lists(accounts: list[str] | None, sees: bool) -> None:
    assert new_key(TOKEN, "k", [Scope.READ], T0, accounts=accounts).sees("alpha") is sees


def test_a_key_works_until_the_moment_it_expires() -> None:
    key = new_key(TOKEN, "k", [Scope.READ], T0, expires_at=T0 + timedelta(hours=1))
    assert key.refusal(T0 + timedelta(minutes=59)) is None
    assert key.refusal(T0 + timedelta(hours=1)) is KeyRefusal.EXPIRED


def test_the_last_use_is_written_at_most_once_a_minute() -> None:
    key = new_key(TOKEN, "k", [Scope.READ], T0)
    assert key.should_mark_used(T0)
