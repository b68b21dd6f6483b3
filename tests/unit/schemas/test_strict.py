"""One walk over the models finds every name that is not theirs, whatever they are made of."""

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, RootModel, ValidationError

from libs.schemas.kinds import KINDS
from libs.schemas.strict import strictly, unknown_fields
from services.decider.domain.catalogue import CatalogueFile
from tests.fakes.typos import Typo, typos

TYPOS = typos(*(kind.model for kind in KINDS), CatalogueFile)


@pytest.mark.parametrize("typo", TYPOS, ids=str)
def test_a_mistyped_name_is_refused_with_its_path_and_the_name_that_was_meant(typo: Typo) -> None:
    (unknown,) = unknown_fields(typo.kind, typo.body)
    assert f"{'.'.join(map(str, unknown.path))}: {unknown}" == typo.said
    with pytest.raises(ValidationError) as raised:
        strictly(typo.kind, typo.body)
    (error,) = raised.value.errors()
    assert f"{'.'.join(map(str, error['loc']))}: {error['msg']}" == typo.said


def test_the_table_reaches_every_depth() -> None:
    assert {
        "Account.budgets.usd_per_dy",
        "TradingStrategy.risk_parameters.max_leverae",
        "TradingStrategy.ladder.runs",
        "VenueSymbol.tiers.0.mmrx",
        "Experiment.arms.0.params.temperatue",
        "CatalogueFile.models.0.price.cached_inpt",
    } <= {str(typo) for typo in TYPOS}


class Colour(Enum):
    RED = "red"


class Inner(BaseModel):
    size: int = 0


class Round(BaseModel):
    kind: Literal["round"]
    radius: int = 0


class Square(BaseModel):
    kind: Literal["square"]
    side: int = 0


class Listed(RootModel[list[Inner]]):
    pass


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    inner: Inner = Inner()


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    width: int = Field(default=0, alias="w")


class Outer(BaseModel):
    perhaps: Inner | None = None
    several: tuple[Inner, ...] = ()
    pair: tuple[int, Inner] = (0, Inner())
    named: dict[str, Inner] = {}
    free: dict[str, Any] = {}
    bare: dict = {}  # type: ignore[type-arg]
    anything: Any = None
    coloured: dict[Colour, Inner] = {}
    shape: Annotated[Round | Square, Field(discriminator="kind")] = Round(kind="round")
    shapes: list[Annotated[Round | Square, Field(discriminator="kind")]] = []
    inner_or_list: Inner | list[Inner] | int = 0
    inner_or_free: Inner | dict[str, int] = {}
    nested: dict[str, list[Inner | None]] = {}
    listed: Listed = Listed([])
    open: Open = Open()
    by_name: ByName = ByName()
    aliased: Inner = Field(default=Inner(), validation_alias="other_name")
    either: Inner = Field(default=Inner(), validation_alias=AliasChoices("this", "that"))
    part: int = Field(default=0, validation_alias=AliasPath("bag", "part"))


BAD = {"sise": 1}
WALKED: dict[str, tuple[dict[Any, Any], list[str]]] = {
    "an optional model": ({"perhaps": BAD}, ["perhaps.sise"]),
    "none": ({"perhaps": None}, []),
    "a tuple of models": ({"several": [{"size": 1}, BAD]}, ["several.1.sise"]),
    "a tuple by places": ({"pair": [1, BAD]}, ["pair.1.sise"]),
    "a mapping of models": ({"named": {"a": BAD, "size": {}}}, ["named.a.sise"]),
    "a free mapping": ({"free": BAD, "bare": BAD, "anything": BAD}, []),
    "a mapping whose keys are fixed": ({"coloured": {"read": {}}}, ["coloured.read"]),
    "the arm that the tag names": ({"shape": {"kind": "square", "radius": 1}}, ["shape.radius"]),
    "arms in a list": ({"shapes": [{"kind": "round", "radius": 1}, {"kind": "square", "sid": 1}]}, ["shapes.1.sid"]),
    "a tag that is not there": ({"shape": {"radius": 1}}, []),
    "a model or a list of it": ({"inner_or_list": BAD}, ["inner_or_list.sise"]),
    "a list of it": ({"inner_or_list": [BAD]}, ["inner_or_list.0.sise"]),
    "a number": ({"inner_or_list": 3}, []),
    "a model or anything": ({"inner_or_free": BAD}, []),
    "lists in mappings": ({"nested": {"a": [None, BAD]}}, ["nested.a.1.sise"]),
    "a root model": ({"listed": [BAD]}, ["listed.0.sise"]),
    "a model that takes more": ({"open": {"more": 1, "inner": BAD}}, ["open.inner.sise"]),
    "an alias": ({"other_name": BAD}, ["other_name.sise"]),
    "the name behind an alias": ({"aliased": {}}, ["aliased"]),
    "an alias or the name": ({"by_name": {"w": 1, "width": 1, "wide": 1}}, ["by_name.wide"]),
    "one of several aliases": ({"that": BAD}, ["that.sise"]),
    "an alias into a mapping": ({"bag": BAD}, []),
    "a value that was parsed before": ({"perhaps": Inner()}, []),
    "what is of another shape": ({"perhaps": [BAD], "several": BAD, "named": 3}, []),
    "a name that is no text": ({3: 1, None: 1, "two\nlines": 1}, ["3", "None", "two lines"]),
}


@pytest.mark.parametrize("case", WALKED)
def test_the_walk_goes_where_models_are_and_leaves_free_what_is_free(case: str) -> None:
    value, expected = WALKED[case]
    assert [".".join(map(str, unknown.path)) for unknown in unknown_fields(Outer, value)] == expected


def test_a_name_like_no_other_is_told_which_there_are() -> None:
    (unknown,) = unknown_fields(Inner, {"colour": 1})
    assert str(unknown) == "there is no such field; fields: size"


def test_what_is_no_mapping_is_left_to_the_model() -> None:
    assert unknown_fields(Inner, "text") == []
    with pytest.raises(ValidationError, match="valid dictionary"):
        strictly(Inner, "text")
