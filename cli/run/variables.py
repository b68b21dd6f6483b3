"""The environment variables that Perpetua knows, and what is wrong with those that are set."""

import difflib
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cli.run.workers import WORKERS

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

NEAR = 0.86
OWN = ("PERPETUA_DATA_DIR", "PERPETUA_START_DAY", "PERPETUA_FAILPOINT", "PERPETUA_VENUE_URL")
OF_TESTS = (
    "PERPETUA_LONG",
    "PERPETUA_EXAMPLES",
    "PERPETUA_REQUIRE",
)  # set by whoever runs the suite, which runs commands


def known_variables() -> set[str]:
    """Names of all fields of the services' Settings classes, and the command's own."""
    from cli.run.settings import StartSettings
    from libs.runtime.settings import variables_of

    classes: list[type[BaseSettings]] = [*settings_classes().values(), StartSettings]
    read = (variables_of(settings).values() for settings in classes)
    return {*OWN, *OF_TESTS, *(name for fields in read for names in fields for name in names)}


def settings_classes() -> dict[str, type["BaseSettings"]]:
    """`services.<name>.settings.Settings` by worker."""
    return {name: importlib.import_module(row.settings).Settings for name, row in WORKERS.items()}


def mistyped(env: Mapping[str, str], known: set[str]) -> list[tuple[str, str | None]]:
    """Variables with our prefix that nobody reads, each with the one that was probably meant."""
    from libs.runtime.settings import CREDENTIAL_PREFIX, NOTIFY_PREFIX, PREFIX, TEST_PREFIX

    free = (TEST_PREFIX, CREDENTIAL_PREFIX, NOTIFY_PREFIX)
    strange = [key for key in env if key.startswith(PREFIX) and not key.startswith(free) and key not in known]
    bare = {name.removeprefix(PREFIX): name for name in known}  # with the prefix all names are alike
    near = {key: difflib.get_close_matches(key.removeprefix(PREFIX), bare, 1, 0.7) for key in sorted(strange)}
    return [(key, bare[close[0]] if close else None) for key, close in near.items()]


def nearly_ours(env: Mapping[str, str], known: set[str]) -> list[tuple[str, str]]:
    """Variables without our prefix that nobody reads and whose name is nearly one of ours, each with that one."""
    from libs.runtime.settings import PREFIX

    ours = {name for name in known if not name.startswith(PREFIX) and name.isupper()}
    strange = [key for key in env if key not in known and not key.startswith(PREFIX) and key.upper() == key]
    found = ((key, _nearest(key, ours)) for key in sorted(strange))
    return [(key, meant) for key, meant in found if meant is not None and meant not in env]


def _nearest(key: str, ours: set[str]) -> str | None:
    """By letters, whatever stands between the words: NATSURL is NATS_URL."""
    bare = {name.replace("_", ""): name for name in ours}
    close = difflib.get_close_matches(key.replace("_", ""), bare, 1, NEAR)
    return bare[close[0]] if close else None


def invalid_settings(env: Mapping[str, str]) -> list[str]:
    """Values that a worker would refuse, one line each, without the value: it may be a secret.

    `env` must be the process's own environment: that is where Settings classes look.
    """
    from pydantic import ValidationError

    from cli.run.settings import StartSettings
    from libs.runtime.settings import variable_at

    lines: dict[str, None] = {}
    classes: list[type[BaseSettings]] = [*settings_classes().values(), StartSettings]
    for settings in classes:
        try:
            settings()
        except ValidationError as error:
            for wrong in error.errors():
                if not wrong["loc"]:  # of several fields together: what is missing there is given by the command
                    continue
                place = ".".join(str(part) for part in wrong["loc"])
                variable = variable_at(place)
                lines[f"{variable if variable in env else place}: {wrong['msg']}"] = None
    return list(lines)
