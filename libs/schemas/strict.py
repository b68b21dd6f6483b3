"""Unknown fields are refused where people write, at every depth: there they are typing mistakes.

Readers of the bus and of KV stay lenient (`Wire`), so that an older worker reads what a newer one wrote.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]
MOST_CHARS = 100
_LISTS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A name that its model does not have. `known` are those that it has."""

    path: Path
    known: tuple[str, ...]

    @property
    def nearest(self) -> str | None:
        return next(iter(get_close_matches(str(self.path[-1]), self.known, n=1)), None)

    def __str__(self) -> str:
        said = f"did you mean {self.nearest}?" if self.nearest else f"fields: {', '.join(self.known)}"
        return f"there is no such field; {said}"


def strictly(kind: type[M], value: object) -> M:
    """The value parsed. Raises ValidationError, for unknown fields before anything else is looked at."""
    refuse(kind, unknown_fields(kind, value))
    return kind.model_validate(value)


def refuse(kind: type[BaseModel], unknown: list[UnknownField]) -> None:
    """Raises them as a ValidationError, so that all that is wrong with a value is told in one way."""
    if unknown:
        raise ValidationError.from_exception_data(kind.__name__, [_detail(field) for field in unknown])


def unknown_fields(kind: type[BaseModel], value: object) -> list[UnknownField]:
    """What the models of `kind` do not know, at any depth. What is a model already was parsed before."""
    return list(_walk(kind, value, ()))


def unknown_names(kind: type[BaseModel], value: object) -> list[UnknownField]:
    """The same for the outermost level alone."""
    return unknown_in(value, tuple(_fields(kind))) if isinstance(value, Mapping) else []


def unknown_in(value: Mapping[Any, object], known: tuple[str, ...]) -> list[UnknownField]:
    """Names of a mapping that are none of the known ones."""
    return list(_unknown(value, known, ()))


def _detail(field: UnknownField) -> InitErrorDetails:
    said = PydanticCustomError("unknown_field", "{said}", {"said": str(field)})
    return InitErrorDetails(type=said, loc=field.path, input=None)


def _walk(annotation: Any, value: object, path: Path) -> Iterator[UnknownField]:
    of = _bare(annotation)
    arms = get_args(of)
    if get_origin(of) in (Union, UnionType):
        yield from _union(arms, value, path)
    elif _is_model(of):
        yield from _model(of, value, path)
    elif isinstance(value, Mapping) and len(arms) == 2 and issubclass(get_origin(of) or object, Mapping):
        yield from _mapping(arms[0], arms[1], value, path)
    elif isinstance(value, _LISTS) and arms:
        for place, item in enumerate(value):
            yield from _walk(_item(arms, place), item, (*path, place))


def _model(kind: type[BaseModel], value: object, path: Path) -> Iterator[UnknownField]:
    if "root" in kind.model_fields and getattr(kind, "__pydantic_root_model__", False):
        yield from _walk(kind.model_fields["root"].annotation, value, path)
    elif isinstance(value, Mapping):
        fields = _fields(kind)
        if kind.model_config.get("extra") != "allow":
            yield from _unknown(value, tuple(fields), path)
        for name, inner in value.items():
            if name in fields:
                yield from _walk(fields[name], inner, (*path, name))


def _mapping(key: Any, inner: Any, value: Mapping[Any, object], path: Path) -> Iterator[UnknownField]:
    """Keys are free, unless they are of a fixed set: then they are names like those of fields."""
    if names := _names(_bare(key)):
        yield from _unknown(value, names, path)
    for name, item in value.items():
        yield from _walk(inner, item, (*path, _shown(name)))


def _union(arms: tuple[Any, ...], value: object, path: Path) -> Iterator[UnknownField]:
    """Of the arms that the value may be of, the one that knows most of it."""
    complaints = [list(_walk(arm, value, path)) for arm in map(_bare, arms) if _may_be(arm, value)]
    yield from min(complaints, key=len, default=[])


def _may_be(arm: Any, value: object) -> bool:
    if _is_model(arm):
        return isinstance(value, Mapping) and not _contradicted(arm, value)
    kind = get_origin(arm) or arm
    if kind in (Union, UnionType):
        return any(_may_be(_bare(inner), value) for inner in get_args(arm))
    if not isinstance(kind, type) or kind is object:
        return kind in (Any, object)
    if isinstance(value, Mapping):
        return issubclass(kind, Mapping)
    return isinstance(value, _LISTS) and issubclass(kind, Iterable) and not issubclass(kind, str | bytes | Mapping)


def _contradicted(kind: type[BaseModel], value: Mapping[Any, object]) -> bool:
    """A field that can only be one of some words is another: the value is of another model (a discriminator)."""
    words = {name: _names(_bare(annotation)) for name, annotation in _fields(kind).items()}
    return any(allowed and value[name] not in allowed for name, allowed in words.items() if name in value)


def _unknown(value: Mapping[Any, object], known: tuple[str, ...], path: Path) -> Iterator[UnknownField]:
    return (UnknownField((*path, _shown(name)), known) for name in value if name not in known)


def _fields(kind: type[BaseModel]) -> dict[str, Any]:
    """The names by which a model takes its fields, and their annotations."""
    config = kind.model_config
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    fields: dict[str, Any] = {}
    for name, info in kind.model_fields.items():
        aliases = _aliases(info.validation_alias)
        fields |= {alias: info.annotation if whole else Any for alias, whole in aliases.items()}
        if by_name or not aliases:
            fields[name] = info.annotation
    return fields


def _aliases(alias: str | AliasPath | AliasChoices | None) -> dict[str, bool]:
    """Other names of a field, and whether the whole of what stands there is the field."""
    match alias:
        case AliasChoices():
            return {name: whole for choice in alias.choices for name, whole in _aliases(choice).items()}
        case AliasPath():
            return {str(alias.path[0]): len(alias.path) == 1}
        case None:
            return {}
    return {alias: True}


def _bare(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif (inner := getattr(annotation, "__value__", getattr(annotation, "__supertype__", None))) is not None:
            annotation = inner  # the names of types: `type X = …`, NewType
        else:
            return annotation


def _item(arms: tuple[Any, ...], place: int) -> Any:
    """The type of an item: the only one, or that of its place."""
    if len(arms) == 1 or arms[-1] is Ellipsis:
        return arms[0]
    return arms[place] if place < len(arms) else Any


def _names(of: Any) -> tuple[str, ...]:
    """The words of a Literal or an Enum; none for other types."""
    if get_origin(of) is Literal:
        return tuple(word.value if isinstance(word, Enum) else word for word in get_args(of))
    return tuple(word.value for word in of) if isinstance(of, type) and issubclass(of, Enum) else ()


def _is_model(of: Any) -> bool:
    return get_origin(of) is None and isinstance(of, type) and issubclass(of, BaseModel)


def _shown(name: object) -> str:
    """A name that people wrote, in one line."""
    return " ".join(str(name).split())[:MOST_CHARS]
