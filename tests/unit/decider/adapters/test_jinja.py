"""Templates are rendered strictly, in a sandbox."""

from typing import Any

import pytest

from services.decider.adapters.jinja import MAX_CHARS, JinjaTemplates
from services.decider.domain.prompt import template_variables
from services.decider.ports import TemplateFailed
from tests.fakes.decider_contexts import context

VARIABLES: dict[str, Any] = template_variables(context())


def test_a_template_sees_the_strategy_the_account_and_the_symbols() -> None:
    text = JinjaTemplates().render(
        "{{ strategy.strategy_id }} {{ strategy.risk_parameters.max_daily_loss }} "
        "{{ account.equity }} {{ symbols | length }}",
        VARIABLES,
    )
    assert text == "scalping 1.5 10012.50 5"


@pytest.mark.parametrize(
    "template",
    [
        "{{ nothing }}",
        "{{ account.equty }}",
        "{% if account.equty %}x{% endif %}",
        "{{ account.equity",
        "{{ account.equity + 'x' }}",
        "{{ 1 / 0 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ symbols.append('x') }}",
        "{{ account.__init__.__globals__ }}",
        "{{ range(10000000) | list }}",
        "{% include 'x' %}",
        "{{ 'x' * " + str(MAX_CHARS + 1) + " }}",
    ],
)
def test_what_is_wrong_or_unsafe_fails_in_one_line(template: str) -> None:
    with pytest.raises(TemplateFailed) as raised:
        JinjaTemplates().render(template, VARIABLES)
    assert "\n" not in str(raised.value)
    assert "prompt_template" in str(raised.value)


def test_the_values_of_a_context_stay_as_they_are() -> None:
    assert JinjaTemplates().render("{{ symbols | join('|') }}", VARIABLES).startswith("BTCUSDT|ETHUSDT")
    assert template_variables(context()) == VARIABLES
