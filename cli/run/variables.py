"""The environment variables that Perpetua knows, and what is wrong with those that are set."""

import difflib
import importlib
from collections.abc import Iterator, Mapping

from cli.project import ROOT
from cli.run.plan import WORKERS

OWN = ("PERPETUA_DATA_DIR", "PERPETUA_START_DAY", "PERPETUA_FAILPOINT", "PERPETUA_VENUE_URL")
_PREFIX = "PERPETUA_"
_TESTS = "PERPETUA_TEST_"
_CREDENTIALS = "PERPETUA_CREDENTIAL_"  # their names are the user's


def known_variables() -> set[str]:
    """Names of all fields of the services' Settings classes, and the command's own."""
    return {*OWN, *(name for settings in settings_classes().values() for name in _names(settings))}


def settings_classes() -> dict[str, type]:
    """`services.<name>.settings.Settings` by worker."""
    found = {}
    for worker in WORKERS:
        if (ROOT / "services" / worker / "settings.py").is_file():
            found[worker] = importlib.import_module(f"services.{worker}.settings").Settings
    return found


def _names(settings: type) -> Iterator[str]:
    from pydantic import AliasChoices

    prefix = settings.model_config.get("env_prefix", "")  # type: ignore[attr-defined]
    for name, field in settings.model_fields.items():  # type: ignore[attr-defined]
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            yield from (choice.upper() for choice in alias.choices if isinstance(choice, str))
        elif isinstance(alias, str):
            yield alias.upper()
        else:
            yield f"{prefix}{name}".upper()


def mistyped(env: Mapping[str, str], known: set[str]) -> list[tuple[str, str | None]]:
    """Variables with our prefix that nobody reads, each with the one that was probably meant."""
    strange = [
        key
        for key in env
        if key.startswith(_PREFIX) and not key.startswith((_TESTS, _CREDENTIALS)) and key not in known
    ]
    return [(key, next(iter(difflib.get_close_matches(key, known, 1, 0.7)), None)) for key in sorted(strange)]


def invalid_settings(env: Mapping[str, str]) -> list[str]:
    """Values that a worker would refuse, one line each, without the value: it may be a secret.

    `env` must be the process's own environment: that is where Settings classes look.
    """
    from pydantic import ValidationError

    lines: dict[str, None] = {}
    for settings in settings_classes().values():
        try:
            settings()
        except ValidationError as error:
            for one in error.errors():
                if not one["loc"]:  # of several fields together: what is missing there is given by the command
                    continue
                place = ".".join(str(part) for part in one["loc"])
                shown = next((key for key in (place, f"{_PREFIX}{place}".upper()) if key in env), place)
                lines[f"{shown}: {one['msg']}"] = None
    return list(lines)


def check_environment(env: Mapping[str, str]) -> None:
    """CliError for the first variable that is mistyped or not valid."""
    from cli.errors import CliError

    for key, meant in mistyped(env, known_variables()):
        hint = f"did you mean {meant}?" if meant else "unset it; `perpetua doctor` checks the rest"
        raise CliError(f"{key} is not a setting of Perpetua", hint)
    for line in invalid_settings(env):
        raise CliError(f"a setting is not valid: {line}", "correct or unset that variable")
