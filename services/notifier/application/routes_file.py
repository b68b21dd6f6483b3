"""Routes and their secrets, from config/notifications.yaml, the environment and the file of secrets."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from libs.configuration.yaml_text import yaml_value
from libs.runtime.settings import FILE_ENDING, NOTIFY_PREFIX
from libs.schemas.names import Key
from services.notifier.domain.routes import NoticeRoute, RoutesError, parse, secrets_in

NAME = "notifications.yaml"
OURS = (f"{NOTIFY_PREFIX}SECRETS", f"{NOTIFY_PREFIX}SECRETS{FILE_ENDING}")


def load(folder: Path) -> Mapping[Key, NoticeRoute]:
    """None where there is no file. Raises RoutesError, one line, where it is not valid."""
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RoutesError(f"{path} cannot be read: {type(error).__name__}") from error
    try:
        return parse(yaml_value(text))
    except yaml.YAMLError as error:
        raise RoutesError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    except RoutesError as error:
        raise RoutesError(f"{NAME}: {error}") from error


def secrets_from(env: Mapping[str, str], text: str) -> dict[str, str]:
    """By name; a variable goes before a line of the text. Raises RoutesError for a line that is none."""
    own = {key.removeprefix(NOTIFY_PREFIX): value for key, value in env.items() if _is_secret(key)}
    return secrets_in(text) | {name: value for name, value in own.items() if value}


def strange(env: Mapping[str, str], routes: Mapping[Key, NoticeRoute]) -> list[str]:
    """Variables of secrets that no route names."""
    wanted = {name for route in routes.values() for name in route.names}
    return sorted(key for key in env if _is_secret(key) and key.removeprefix(NOTIFY_PREFIX) not in wanted)


def _is_secret(key: str) -> bool:
    return key.startswith(NOTIFY_PREFIX) and key not in OURS
