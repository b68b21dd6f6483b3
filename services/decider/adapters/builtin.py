"""`builtin/trend`: prompt in, JSON out, as any model, without LiteLLM: it asks nobody."""

from collections.abc import Mapping, Sequence

from libs.schemas.decision import TokenUsage
from services.decider.domain import snapshot, trend
from services.decider.domain.completion import Completion

CHARS_PER_TOKEN = 4  # usage is an estimate: no tokens exist here


def answer(model: str, messages: Sequence[Mapping[str, str]]) -> str:
    """The JSON answer of a built-in model. Raises ValueError for another model or a prompt without its data block."""
    if model != "trend":
        raise ValueError(f"there is no built-in model {model!r}: trend is the only one")
    view = snapshot.from_text(messages[-1]["content"])
    return trend.decide(view).model_dump_json(exclude_none=True)


def completion(entry_id: str, messages: Sequence[Mapping[str, str]]) -> Completion:
    """The answer as a provider's is read. One that cannot be given is a failure of the provider's."""
    try:
        text = answer(entry_id.partition("/")[2], messages)
    except ValueError as error:
        return Completion(failure=str(error))
    asked, said = sum(len(m["content"]) for m in messages) // CHARS_PER_TOKEN, len(text) // CHARS_PER_TOKEN
    return Completion(text=text, model=entry_id, usage=TokenUsage(prompt=asked, completion=said))
