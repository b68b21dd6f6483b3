"""The secrets of a deployment: made once, kept, each user's own, and read by nobody outside of the folder."""

import json
import stat
from pathlib import Path

from cli.embedded.redis import RIGHTS
from cli.run.secret_files import API_KEY, HOSTS, PASSWORDS, write_secrets
from libs.records.keys import key_id_of
from libs.schemas.rights import USERS


def _texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_each_user_has_an_address_with_a_password_of_its_own(tmp_path: Path) -> None:
    write_secrets(tmp_path / "s")
    texts = _texts(tmp_path / "s")
    passwords = json.loads(texts[PASSWORDS])
    for user in USERS:
        assert texts[f"nats_url_{user.name}"] == f"nats://{user.name}:{passwords['nats'][user.name]}@nats:4222"
    assert texts["redis_url_context"] == f"redis://context:{passwords['redis']['context']}@redis:6379/0"
    assert texts["mongodb_url_ledger"].endswith("@mongodb:27017/?replicaSet=perpetua&authSource=admin")
    every = [password for users in passwords.values() for password in users.values()]
    assert len(every) == len(set(every))


def test_servers_are_told_the_same_passwords(tmp_path: Path) -> None:
    write_secrets(tmp_path / "s")
    texts = _texts(tmp_path / "s")
    passwords = json.loads(texts[PASSWORDS])
    assert f"NATS_PASSWORD_FEED={passwords['nats']['feed']}\n" in texts["nats_passwords"]
    assert texts["redis_acl"].splitlines()[0] == "user default off"
    assert {line.split()[1] for line in texts["redis_acl"].splitlines()[1:]} == set(RIGHTS)
    assert texts["mongodb_password"] == passwords["mongodb"]["admin"]
    assert key_id_of(texts[API_KEY])


def test_made_again_they_stay_and_follow_the_hosts(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    names = write_secrets(folder)
    (folder / "openrouter_api_key").chmod(0o600)
    (folder / "openrouter_api_key").write_text("filled in")
    before = _texts(folder)
    assert write_secrets(folder, {**HOSTS, "nats": "10.1.1.1:4222"}) == names
    after = _texts(folder)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"nats_url_{user.name}" for user in USERS}
    assert after["openrouter_api_key"] == "filled in"


def test_the_folder_is_its_owners_and_a_container_may_read_the_files(tmp_path: Path) -> None:
    """A container sees a file without its folder, as another user."""
    folder = tmp_path / "s"
    folder.mkdir(mode=0o755)
    write_secrets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o444}
