"""Strategies' own templates, rendered by Jinja2: sandboxed, strict about names, bounded in time and size."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from libs.configuration import template_rules
from libs.configuration.template_rules import BUDGET, Work
from libs.strategies.view import View, asked

MAX_CHARS = 20_000
# What a template can get wrong with the values that it is given, beside Jinja2's own errors.
_MISUSE = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


class TemplateFailed(Exception):
    """A strategy's own template cannot be rendered; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """What a template came to, and how much of the market it asks for: `{% set columns = ["rsi14"] %}`."""

    text: str
    view: View


class JinjaTemplates:
    def __init__(self) -> None:
        self._environment = _Sandbox(undefined=StrictUndefined, autoescape=False, finalize=_shown)
        template_rules.install(self._environment)
        self._compiled = lru_cache(maxsize=256)(self._compile)

    def render(self, template: str, variables: Mapping[str, Any]) -> str:
        return self.page(template, variables).text

    def page(self, template: str, variables: Mapping[str, Any]) -> RenderedPage:
        """Raises TemplateFailed for what is unknown, not allowed, too much work or too long."""
        try:
            compiled = self._compiled(template)
            context = compiled.new_context({**variables, BUDGET: Work()})
            text = _joined(compiled.root_render_func(context))
            return RenderedPage(text, asked({name: context.vars[name] for name in context.exported_vars}))
        except _MISUSE as error:
            said = " ".join((getattr(error, "message", None) or str(error)).split())[:300]
            at = f" (line {line})" if (line := getattr(error, "lineno", None)) else ""
            raise TemplateFailed(
                f"the strategy's prompt_template cannot be rendered: {said}{at}: correct it"
            ) from error

    def _compile(self, source: str) -> Template:
        tree = self._environment.parse(source)
        template_rules.check(tree)
        template_rules.bound(tree)
        code = self._environment.compile(tree)
        return Template.from_code(self._environment, code, {})


class _Sandbox(ImmutableSandboxedEnvironment):
    """`*` and `%` only for numbers: with a text they make one of any length."""

    intercepted_binops = frozenset({"*", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple):
            raise TypeError(f"`{operator}` is for numbers")
        return super().call_binop(context, operator, left, right)


def _shown(value: Any) -> Any:
    """10 for 10.0: digits are paid for."""
    return f"{value:.10g}" if isinstance(value, float) else value


def _joined(chunks: Any) -> str:
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_CHARS:
            raise ValueError(f"it renders more than {MAX_CHARS} characters")
        parts.append(chunk)
    return "".join(parts)
