"""Strategies' own templates, rendered by Jinja2: sandboxed, and strict about names. Decider and gateway share it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_CHARS = 60_000
# What a template can get wrong with the values that it is given, beside Jinja2's own errors.
_MISUSE = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


class TemplateFailed(Exception):
    """A strategy's own template cannot be rendered; the message says why in one line."""


class JinjaTemplates:
    def __init__(self) -> None:
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self._compiled = lru_cache(maxsize=256)(environment.from_string)

    def render(self, template: str, variables: Mapping[str, Any]) -> str:
        try:
            compiled: Template = self._compiled(template)
            text = compiled.render(variables)
        except _MISUSE as error:
            raise TemplateFailed(f"the strategy's prompt_template cannot be rendered: {error}: correct it") from error
        if len(text) > MAX_CHARS:
            raise TemplateFailed(
                f"the strategy's prompt_template renders {len(text)} characters: keep it to {MAX_CHARS}"
            )
        return text
