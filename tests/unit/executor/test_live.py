"""The gates to live trading, one by one, and the secrets behind them."""

from dataclasses import replace
from pathlib import Path

import pytest

from libs.schemas.account import Account
from services.executor.adapters.credentials import Credential, NoCredential, load, variable
from services.executor.domain.live import TEXTS, Lacking, Situation, explain, gates

ACCOUNT = Account.model_validate(
    {
        **{"account_id": "main", "name": "Main", "mode": "live", "venue": "aster", "initial_balance": "100"},
        **{"symbols": ["BTCUSDT"], "strategy_id": "swing", "max_position_size": "50", "leverage": "2"},
        "credential": "main-1",
    }
)
OPEN = Situation(allowed=True, credential_present=True, can_withdraw=False, reconciled=True, users=("main",))
KEY = "0x" + "ab12" * 16


def changed(**update: object) -> Account:
    return ACCOUNT.model_copy(update=update)


def test_an_account_with_everything_may_trade_live() -> None:
    assert gates(ACCOUNT, OPEN) == ()
    assert gates(ACCOUNT, replace(OPEN, can_withdraw=None)) == (), "a venue that does not tell is no refusal"


@pytest.mark.parametrize(
    ("account", "found", "missing"),
    [
        pytest.param(changed(mode="paper"), OPEN, Lacking.MODE, id="mode"),
        pytest.param(changed(venue="paper"), OPEN, Lacking.VENUE, id="paper venue"),
        pytest.param(changed(venue="okx"), OPEN, Lacking.VENUE, id="venue that is not wired yet"),
        pytest.param(ACCOUNT, replace(OPEN, allowed=False), Lacking.NOT_ALLOWED, id="executor"),
        pytest.param(changed(credential=None), OPEN, Lacking.CREDENTIAL_NAME, id="credential name"),
        pytest.param(ACCOUNT, replace(OPEN, credential_present=False), Lacking.CREDENTIAL, id="credential"),
        pytest.param(ACCOUNT, replace(OPEN, can_withdraw=True), Lacking.CAN_WITHDRAW, id="can withdraw"),
        pytest.param(ACCOUNT, replace(OPEN, users=("main", "b")), Lacking.SHARED_CREDENTIAL, id="shared credential"),
        pytest.param(ACCOUNT, replace(OPEN, reconciled=False), Lacking.RECONCILE, id="reconcile"),
        pytest.param(ACCOUNT, replace(OPEN, foreign_positions=("X",)), Lacking.FOREIGN_POSITIONS, id="foreign"),
    ],
)
def test_each_missing_gate_alone_keeps_an_account_from_trading_and_is_named(
    account: Account, found: Situation, missing: Lacking
) -> None:
    assert gates(account, found) == (missing,)
    assert TEXTS[missing] in explain("main", (missing,))


def test_foreign_positions_can_be_taken_over() -> None:
    assert gates(ACCOUNT, replace(OPEN, foreign_positions=("X",), adopt=True)) == ()


def test_all_that_is_missing_is_named_at_once() -> None:
    nothing = Situation(allowed=False, credential_present=False, can_withdraw=None, reconciled=False)
    assert len(gates(changed(mode="paper", venue="paper", credential=None), nothing)) == 6


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    env = {"PERPETUA_CREDENTIAL_MAIN_1_KEY": KEY, "PERPETUA_CREDENTIAL_MAIN_1_SECRET_FILE": str(tmp_path / "secret")}
    assert load("main-1", "key_and_secret", env).parts == {"KEY": KEY, "SECRET": "hush"}
    assert variable("main-1", "KEY") == "PERPETUA_CREDENTIAL_MAIN_1_KEY"


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "set PERPETUA_CREDENTIAL_MAIN_KEY and PERPETUA_CREDENTIAL_MAIN_SECRET"),
        ({"PERPETUA_CREDENTIAL_MAIN_KEY": KEY}, "set PERPETUA_CREDENTIAL_MAIN_SECRET"),
        ({"PERPETUA_CREDENTIAL_MAIN_KEY_FILE": "/nowhere/key"}, "PERPETUA_CREDENTIAL_MAIN_KEY_FILE cannot be read"),
    ],
)
def test_a_missing_secret_is_named_and_no_value_is_told(env: dict[str, str], says: str) -> None:
    with pytest.raises(NoCredential, match=says) as raised:
        load("main", "key_and_secret", env)
    assert KEY not in str(raised.value)


def test_a_credential_prints_its_name_only() -> None:
    credential = Credential("main", {"KEY": KEY})
    assert KEY not in f"{credential} {credential!r} {[credential]}"
    assert credential.clean(f"bad key {KEY} and {KEY[2:]}!") == "bad key *** and ***!"
