"""What a decider says of itself on its operations port: who decides by default, why, and the catalogue that it read;
and under `trial` what came of the last one that somebody asked for."""

from typing import Any

from services.decider.domain import catalogue
from services.decider.domain.catalogue import LIMITS, Catalogue, CatalogueEntry

SECTION = "decides"
TRIAL = "trial"


def section(known: Catalogue, llm_model: str | None, chain: tuple[str, ...]) -> dict[str, Any]:
    """Without parameters of calls, but for those that bound the answer: the port is open to whoever reaches it."""
    by = "LLM_MODEL" if llm_model else "chain of models.yaml"
    return {"chain": list(chain), "by": by, "models": [_entry(entry) for entry in known.entries.values()]}


def read(told: dict[str, Any]) -> Catalogue:
    """The catalogue with the default chain in its place. Raises CatalogueError, KeyError or TypeError for what no
    decider would say."""
    known = catalogue.parse({"models": told["models"]})
    return Catalogue(known.entries, tuple(str(name) for name in told["chain"]))


def _entry(entry: CatalogueEntry) -> dict[str, Any]:
    params = {name: value for name, value in entry.params.items() if name in LIMITS}
    return entry.model_copy(update={"params": params}).model_dump(mode="json", exclude_defaults=True)
