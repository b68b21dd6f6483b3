"""Strategies' templates: strict, in a sandbox, and never more than a moment's work."""

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.configuration.template_rules import MAX_TEXT
from libs.configuration.templates import MAX_CHARS, JinjaTemplates, TemplateFailed
from libs.strategies.variables import template_variables
from libs.strategies.view import View
from tests.fakes.decider_contexts import account, context, position
from tests.pace import usual

HELD = account(open_positions=(position("BTCUSDT"), position("ETHUSDT", "short", exit_plan="x" * 4_000)))
VARIABLES: dict[str, Any] = template_variables(context(account_state=HELD))
LONG = "z" * 3_000


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ strategy.strategy_id }} {{ strategy.risk_parameters.max_daily_loss }}", "scalping 1.5"),
        ("{{ account.equity }} {{ account.leverage }} {{ strategy.risk_parameters.max_leverage }}", "10012.50 8 10"),
        ("{{ symbols | join('|') }} {{ symbols | length }}", "BTCUSDT|ETHUSDT|SOLUSDT|BNBUSDT|XRPUSDT 5"),
        ("{{ [strategy.risk_parameters.max_leverage, account.leverage | float] | min }}", "8"),
        (
            "{% for p in account.open_positions %}{{ p.symbol }}{{ ', ' if not loop.last }}{% endfor %}",
            "BTCUSDT, ETHUSDT",
        ),
        ("{% for p in account.open_positions if p.side == 'short' %}{{ loop.index }}{% else %}none{% endfor %}", "1"),
        ("{{ account.open_positions | map(attribute='side') | unique | list | length }}", "2"),
        ("{{ account.open_positions | selectattr('side', 'eq', 'long') | list | length }}", "1"),
        ("{% set hours = 360 // 60 %}{{ hours * 2 + 1 - 7 % 4 }} h", "10 h"),
        ("{{ strategy.max_hold_minutes is none }} {{ 2.346 | round(2) }} {{ 1.5 * 2 }}", "True 2.35 3"),
        ("{{ 'long' if symbols[0] == 'BTCUSDT' else 'short' }} {{ 'a' ~ 1 }}", "long a1"),
    ],
)  # fmt: skip
def test_what_a_template_may_say(template: str, text: str) -> None:
    assert JinjaTemplates().render(template, VARIABLES) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ nothing }}",
        "{{ account.equty }}",
        "{% if account.equty %}x{% endif %}",
        "{% for p in account.nothing %}{% endfor %}",
        "{{ account.equity",
        "{{ account.equity + 'x' }}",
        "{{ 1 / 0 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ account.__init__.__globals__ }}",
        "{{ self }}",
        "{{ __work.left }}",
        "{{ symbols.append('x') }}",
        "{{ symbols | map('center', 9) | list }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% set columns = ['ema21'] %}",
        "{% set rows = 99 %}",
    ],
)
def test_what_is_wrong_or_unsafe_fails_in_one_line(template: str) -> None:
    with pytest.raises(TemplateFailed) as raised:
        JinjaTemplates().render(template, VARIABLES)
    assert "\n" not in str(raised.value)
    assert "prompt_template" in str(raised.value)


BOMBS = {
    "a long range": "{{ range(10000000) | list }}",
    "nested ranges": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "nested loops over text": f"{{% for a in '{LONG}' %}}{{% for b in '{LONG}' %}}{{% if a %}}{{% endif %}}{{% endfor %}}{{% endfor %}}",  # noqa: E501
    "nested loops over an exit plan": "{% for p in account.open_positions %}{% for a in p.exit_plan %}"
    "{% for b in p.exit_plan %}{% endfor %}{% endfor %}{% endfor %}",
    "a loop over costly filters": f"{{% for a in '{LONG}' %}}{{% if '{'q' * 190}' | map('upper') | list | length %}}{{% endif %}}{{% endfor %}}",  # noqa: E501
    "a repeated text": "{{ 'x' * 999999999 }}",
    "a repeated list": "{{ [1] * 999999999 }}",
    "a padded number": "{{ '%999999999d' % 1 }}",
    "a formatted number": "{{ '{:999999999}'.format(1) }}",
    "a padded text": "{{ 'a' | center(999999999) }}",
    "a replaced text": "{{ symbols[0] | replace('T', 'x') }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "a rounded number": "{{ 5 | round(-999999999) }}",
    "a doubled text": "{% set x = 'abcdefgh' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
    "doubled lists": "{% set x0 = [1, 1] %}" + "".join(f"{{% set x{n + 1} = [x{n}, x{n}] %}}" for n in range(40)),
    "doubled by join": "{% set x = 'abcdefgh' %}" + "{% set x = [x, x] | join %}" * 40,
    "a long join": "{{ '" + "x" * 3_000 + "' | join('" + "y" * 3_000 + "') }}",
    "much text in a loop": "{% for a in '" + "x" * 300 + "' %}" + "y" * 200 + "{% endfor %}",
    "a macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a recursive loop": "{% for a in symbols recursive %}{{ loop(symbols) }}{% endfor %}",
    "deep brackets": "{{ " + "(" * 2_000 + "1" + ")" * 2_000 + " }}",
    "a long sum": "{{ " + "+".join("1" * 3_000) + " }}",
    "many parts": "{{ symbols }}" * 3_000,
    "lipsum": "{{ lipsum(n=1000) }}",
}


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS.keys())
def test_no_template_takes_more_than_a_moment(template: str) -> None:
    begun = time.process_time()
    with pytest.raises(TemplateFailed) as raised:
        JinjaTemplates().render(template, VARIABLES)
    took = time.process_time() - begun
    assert took < 1 or usual(took) < 1
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


@given(st.text(alphabet="{}%()[]'|~*xforiendsetl 1,._=", max_size=80))
def test_any_text_renders_or_fails_in_one_line(template: str) -> None:
    try:
        text = JinjaTemplates().render(template, VARIABLES)
    except TemplateFailed as error:
        assert "\n" not in str(error)
    else:
        assert len(text) <= MAX_CHARS


def test_the_length_of_a_page_is_bounded() -> None:
    assert len(JinjaTemplates().render("x" * MAX_CHARS, VARIABLES)) == MAX_CHARS
    with pytest.raises(TemplateFailed, match=f"more than {MAX_CHARS} characters"):
        JinjaTemplates().render("x" * (MAX_CHARS + 1), VARIABLES)
    with pytest.raises(TemplateFailed, match=f"at most {MAX_TEXT} characters"):
        JinjaTemplates().render("{% set x = '" + "x" * (MAX_TEXT + 1) + "' %}", VARIABLES)


def test_what_a_template_sets_is_how_much_it_is_shown() -> None:
    page = JinjaTemplates().page(
        "{% set columns = ['rsi14', 'ema20'] -%}\n{% set closes = 5 -%}\n{% set own = 3 -%}\nx", {}
    )
    assert page.text == "x"
    assert page.view == View(columns=("ema20", "rsi14"), closes=5)


def test_the_values_of_a_context_stay_as_they_are() -> None:
    before = template_variables(context(account_state=HELD))
    JinjaTemplates().render(
        "{{ symbols | sort | reverse | list }} {{ account.open_positions | list | length }}", VARIABLES
    )
    assert before == VARIABLES
    assert VARIABLES["account"]["equity"] == Decimal("10012.50")
