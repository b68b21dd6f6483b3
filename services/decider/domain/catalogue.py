"""The models that may be asked: what they cost, what they can, how they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from libs.schemas.base import Name
from libs.schemas.decision import TokenUsage
from libs.schemas.strict import strictly
from services.decider.domain.gate import WorstCase

Provider = Literal["builtin", "openrouter", "openai-compatible"]
Capability = Literal["json_schema", "json_object", "seed", "reasoning"]
CostSource = Literal["provider", "catalogue", "refused", "unknown"]
PerMillion = Annotated[float, Field(ge=0, le=10_000)]
WILDCARD = "/*"
LIMITS = ("max_tokens", "max_completion_tokens")  # parameters that bound the answer; a model knows one of them
LONGER = 2  # how much larger the limit is for an answer that was cut
DEFAULT_OUTPUT = 8_000
BYTES_PER_TOKEN = 1  # tables of numbers come to 1.4 and no tokenizer writes less than one byte a token


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelPrice(_Part):
    """Dollars per million tokens. Cached input and reasoning are charged as input and output where they have no price
    of their own."""

    input: PerMillion
    output: PerMillion
    cached_input: PerMillion | None = None
    reasoning: PerMillion | None = None


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
        return self.price is not None and not any((self.price.input, self.price.output, self.price.reasoning))

    @property
    def is_rule(self) -> bool:
        """Whether it answers the same prompt alike each time, for nothing: then there is no answer to keep."""
        return self.provider == "builtin"

    @property
    def max_output(self) -> int | None:
        """The limit of output tokens that is sent, reasoning included."""
        return next((int(self.params[name]) for name in LIMITS if name in self.params), None)

    def longer(self) -> "CatalogueEntry":
        """The same model with a larger limit, for an answer that was cut. At most half of the context."""
        name = next((name for name in LIMITS if name in self.params), LIMITS[0])
        limit = min((self.max_output or DEFAULT_OUTPUT) * LONGER, max(self.max_output or 0, self.context_tokens // 2))
        return self.model_copy(update={"params": {**self.params, name: limit}})

    def unstructured(self) -> "CatalogueEntry":
        """The same model on a server that takes no `response_format`."""
        return self.model_copy(update={"capabilities": self.capabilities - {"json_schema", "json_object"}})

    @property
    def structured(self) -> Literal["json_schema", "json_object", "prompt"]:
        """How the model is told the shape of its answer."""
        if "json_schema" in self.capabilities:
            return "json_schema"
        return "json_object" if "json_object" in self.capabilities else "prompt"


class CatalogueFile(_Part):
    """config/models.yaml as it is written."""

    chain: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)] | None = None
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
    """`chain` is who decides where nobody says otherwise."""

    entries: Mapping[str, CatalogueEntry]
    chain: tuple[str, ...] = ("builtin/trend",)

    def label(self, model: str) -> str:
        """The model as a metric names it: bounded by the catalogue, a wildcard for all that it stands for."""
        if model in self.entries:
            return model
        wildcard = model.partition("/")[0] + WILDCARD
        return wildcard if wildcard in self.entries else "unknown"

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
        file = strictly(CatalogueFile, data)
    except ValidationError as error:
        raise CatalogueError("models.yaml: " + "; ".join(_line(e, data) for e in error.errors())) from error
    models = file.models
    entries = {entry.id: entry for entry in models}
    if len(entries) < len(models):
        twice = sorted({entry.id for entry in models if sum(e.id == entry.id for e in models) > 1})
        raise CatalogueError(f"models.yaml: {', '.join(twice)} is listed twice: keep one entry each")
    made = Catalogue(entries, file.chain or ("builtin/trend",))
    if unknown := [name for name in file.chain or () if isinstance(made.find(name), UnknownModel)]:
        raise CatalogueError(f"models.yaml: chain: {', '.join(unknown)} has no entry in models: add it, or correct it")
    return made


def _line(error: Any, data: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "the file"
    match error["loc"]:
        case ("models", int(n), *_) if isinstance(data["models"][n], dict):
            place += f" ({data['models'][n].get('id', 'no id')})"
    return f"{place}: {error['msg']}"


def cost(
    entry: CatalogueEntry,
    usage: TokenUsage | None,
    reported: float | None,
    upstream: float | None = None,
    *,
    byok: bool = False,
) -> tuple[float | None, CostSource]:
    """Dollars of one call, and who says so: the provider first, else price × tokens, else unknown (never 0).

    A provider's 0 is no proof that nothing is charged: with the user's own key (`byok`), or where it tells what the
    one behind it takes (`upstream`), that comes on top; without such a figure its 0 is not believed, and its fee for
    the use of one's own key is added to price × tokens. Only a model whose price is 0 here is free.
    """
    fee = reported or 0.0
    if upstream and (byok or not fee):
        return fee + upstream, "provider"
    if fee and not byok:
        return fee, "provider"
    if entry.price is None or (usage is None and not entry.is_free):
        return None, "unknown"
    return fee + _priced(entry.price, usage or TokenUsage()), "catalogue"


def _priced(price: ModelPrice, used: TokenUsage) -> float:
    """Dollars by the catalogue."""
    cached = min(used.cached, used.prompt)
    dollars = (used.prompt - cached) * price.input + cached * _or(price.cached_input, price.input)
    written, thought = _output(used)
    dollars += written * price.output + thought * _or(price.reasoning, price.output)
    return dollars / 1_000_000


def worst_case(entry: CatalogueEntry, messages: Sequence[Mapping[str, str]]) -> WorstCase:
    """The most that a call can come to: the prompt at its worst and the whole limit of the answer."""
    texts = [text for message in messages for name, text in message.items() if name != "role"]
    size = sum(len(text.encode("utf-8", "replace")) + 8 for text in texts)
    prompt = min(size // BYTES_PER_TOKEN + 1, entry.context_tokens)
    output = entry.max_output or max(entry.context_tokens - prompt, 0)
    if entry.price is None:
        return WorstCase(None, prompt + output)
    dearest = max(entry.price.output, entry.price.reasoning or 0.0)
    return WorstCase((prompt * entry.price.input + output * dearest) / 1_000_000, prompt + output)


def prompt_room(entry: CatalogueEntry) -> int:
    """Tokens that a prompt may have, so that an answer and one repair turn fit beside it. A tenth is kept back: each
    model counts by its own rules, and we by one."""
    output = min(entry.max_output or DEFAULT_OUTPUT, entry.context_tokens // 4)
    return (entry.context_tokens - 2 * output) * 9 // 10


def repair_room(entry: CatalogueEntry, prompt_tokens: int | None) -> int:
    """Bytes that a repair turn may add to a prompt, so that it fits whichever way the model counts."""
    output = min(entry.max_output or DEFAULT_OUTPUT, entry.context_tokens // 4)
    used = (prompt_tokens or 0) * 10 // 9
    return max(0, entry.context_tokens - output - used) * BYTES_PER_TOKEN


def _output(used: TokenUsage) -> tuple[int, int]:
    """Tokens written and tokens thought. Most providers count reasoning within the completion, some beside it."""
    inside = used.reasoning <= used.completion
    return (used.completion - used.reasoning if inside else used.completion), used.reasoning


def _or(own: float | None, other: float) -> float:
    return other if own is None else own
