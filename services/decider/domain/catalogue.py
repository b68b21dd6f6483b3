"""The models that may be asked: what they cost, what they can, how they are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from libs.schemas.base import Name
from libs.schemas.decision import TokenUsage

Provider = Literal["builtin", "openrouter", "openai-compatible"]
Capability = Literal["json_schema", "json_object", "seed", "reasoning"]
CostSource = Literal["provider", "catalogue", "unknown"]
PerMillion = Annotated[float, Field(ge=0, le=10_000)]
WILDCARD = "/*"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelPrice(_Part):
    """Dollars per million tokens. Cached input tokens are charged as input where they have no price of their own."""

    input: PerMillion
    output: PerMillion
    cached_input: PerMillion | None = None


class CatalogueEntry(_Part):
    """One model. `price` None means that only the provider knows; an id that ends in `/*` stands for a whole server."""

    id: Name
    provider: Provider
    price: ModelPrice | None = None
    context_tokens: int = Field(ge=1_000)
    capabilities: frozenset[Capability] = frozenset()
    params: dict[str, str | int | float | bool] = {}
    timeout_s: float = Field(default=20, gt=0, le=600)

    @property
    def is_free(self) -> bool:
        return self.price is not None and self.price.input == 0 and self.price.output == 0

    @property
    def is_rule(self) -> bool:
        """Whether it answers the same prompt alike each time, for nothing: then there is no answer to keep."""
        return self.provider == "builtin"

    @property
    def structured(self) -> Literal["json_schema", "json_object", "prompt"]:
        """How the model is told the shape of its answer."""
        if "json_schema" in self.capabilities:
            return "json_schema"
        return "json_object" if "json_object" in self.capabilities else "prompt"


class _File(_Part):
    models: Annotated[tuple[CatalogueEntry, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class UnknownModel:
    """A refusal: the catalogue has no such model."""

    model: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"the catalogue has no model {self.model!r}: choose one of {', '.join(self.known)}, "
            "or add it to config/models.yaml"
        )


class CatalogueError(ValueError):
    """The catalogue file is not valid; the message names the place."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    entries: Mapping[str, CatalogueEntry]

    def find(self, model: str) -> CatalogueEntry | UnknownModel:
        """The entry of a model, with the model's own name in it where a wildcard stands for it."""
        if WILDCARD not in model and (entry := self.entries.get(model)):
            return entry
        prefix, _, name = model.partition("/")
        wildcard = self.entries.get(prefix + WILDCARD)
        if wildcard is None or name in ("", "*") or len(model) > 100:
            return UnknownModel(model, tuple(self.entries))
        return wildcard.model_copy(update={"id": model})


def parse(data: Any) -> Catalogue:
    """Read the parsed file. Raises CatalogueError that names each wrong field."""
    try:
        models = _File.model_validate(data).models
    except ValidationError as error:
        raise CatalogueError("models.yaml: " + "; ".join(_line(e, data) for e in error.errors())) from error
    entries = {entry.id: entry for entry in models}
    if len(entries) < len(models):
        twice = sorted({entry.id for entry in models if sum(e.id == entry.id for e in models) > 1})
        raise CatalogueError(f"models.yaml: {', '.join(twice)} is listed twice: keep one entry each")
    return Catalogue(entries)


def _line(error: Any, data: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "the file"
    match error["loc"]:
        case ("models", int(n), *_) if isinstance(data["models"][n], dict):
            place += f" ({data['models'][n].get('id', 'no id')})"
    return f"{place}: {error['msg']}"


def cost(entry: CatalogueEntry, usage: TokenUsage | None, reported: float | None) -> tuple[float | None, CostSource]:
    """Dollars of one call, and who says so: the provider first, else price × tokens, else unknown (never 0)."""
    if reported is not None and reported >= 0:
        return reported, "provider"
    if entry.price is None or (usage is None and not entry.is_free):
        return None, "unknown"
    used, price = usage or TokenUsage(), entry.price
    cached = min(used.cached, used.prompt)
    cached_price = price.input if price.cached_input is None else price.cached_input
    dollars = (used.prompt - cached) * price.input + cached * cached_price + used.completion * price.output
    return dollars / 1_000_000, "catalogue"
