"""`builtin/trend` as a provider of LiteLLM, so that it goes the same way as any model: prompt in, JSON out."""

from typing import Any

from services.decider.domain import snapshot, trend

CHARS_PER_TOKEN = 4  # usage is an estimate: no tokens exist here


def answer(model: str, messages: list[dict[str, Any]]) -> str:
    """The JSON answer of a built-in model. Raises ValueError for another model or a prompt without its data block."""
    if model != "trend":
        raise ValueError(f"there is no built-in model {model!r}: trend is the only one")
    view = snapshot.from_text(messages[-1]["content"])
    return trend.decide(view).model_dump_json(exclude_none=True)


def register(litellm: Any) -> None:
    """Make `builtin/…` known to LiteLLM."""
    types: Any = litellm.types.utils

    class Builtin(litellm.CustomLLM):  # type: ignore[misc]
        async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
            model, messages = kwargs["model"], kwargs["messages"]
            try:
                text = answer(model, messages)
            except ValueError as error:
                raise litellm.CustomLLMError(status_code=400, message=str(error)) from error
            asked, said = (sum(len(m["content"]) for m in messages) // CHARS_PER_TOKEN, len(text) // CHARS_PER_TOKEN)
            return types.ModelResponse(
                model=f"builtin/{model}",
                choices=[types.Choices(message=types.Message(content=text, role="assistant"), finish_reason="stop")],
                usage=types.Usage(prompt_tokens=asked, completion_tokens=said, total_tokens=asked + said),
            )

    litellm.custom_provider_map = [{"provider": "builtin", "custom_handler": Builtin()}]
