"""Other figures for accounts, strategies and the venue: what a counterfactual or a sweep changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)
OWNERS = ("account", "strategy", "venue")


class SettingError(Exception):
    """A setting that nothing has, or a value that it cannot have."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`path` leads to a field of an `owner`, e.g. risk_parameters.max_leverage of a strategy."""

    owner: str
    path: Sequence[str]
    value: str


def setting_of(text: str) -> Setting:
    """Of `strategy.risk_parameters.max_leverage=3`. Raises SettingError."""
    name, equals, value = text.partition("=")
    owner, *path = name.strip().split(".")
    if not equals or owner not in OWNERS or not path:
        raise SettingError(
            f"{text!r} is no setting: write it like strategy.max_positions=2; {', '.join(OWNERS)} have some"
        )
    return Setting(owner, path, value.strip())


def changed(models: Iterable[M], owner: str, settings: Sequence[Setting]) -> list[M]:
    """Each with the settings of its owner, checked as if it had been configured so. Raises SettingError."""
    own = [setting for setting in settings if setting.owner == owner]
    return [_changed(model, own) for model in models]


def _changed(model: M, settings: Sequence[Setting]) -> M:
    if not settings:
        return model
    fields: dict[str, Any] = model.model_dump(mode="json")
    for setting in settings:
        place: Any = fields
        for step in setting.path[:-1]:
            place = place.get(step) if isinstance(place, dict) else None
        if not isinstance(place, dict) or setting.path[-1] not in place:
            raise SettingError(f"{setting.owner} has no {'.'.join(setting.path)}")
        place[setting.path[-1]] = _value(setting.value, place[setting.path[-1]])
    try:
        return type(model).model_validate_json(orjson.dumps(fields))
    except ValidationError as error:
        first = error.errors()[0]
        told = ".".join(str(part) for part in first["loc"])
        raise SettingError(f"{settings[0].owner} {told}: {first['msg']}") from error


def _value(text: str, present: Any) -> Any:
    """Money is text where it is configured, all else as JSON has it."""
    if isinstance(present, str):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
