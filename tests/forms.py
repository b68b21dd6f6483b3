"""How much a test does: the short form of `make test`, or the long one of `make test-long` (PERPETUA_LONG=1).

A short form is the same every time: what fails, fails again. A long one looks where nobody has looked before.
"""

import os
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings

T = TypeVar("T")

LONG = os.environ.get("PERPETUA_LONG") == "1"
ONLY = int(os.environ.get("PERPETUA_EXAMPLES", "0"))  # so many of each property, whatever its form says

SHORT_EXAMPLES, LONG_EXAMPLES = 25, 500
SPEED = [HealthCheck.too_slow]  # no test depends on the machine's


def sized(short: T, long: T) -> T:
    return long if LONG else short


def examples(short: int, long: int, **more: Any) -> settings:
    """Settings of a property that needs other numbers of examples than the rest."""
    return settings(max_examples=ONLY or sized(short, long), **more)


def use_profile() -> None:
    """The numbers and manners of all properties; call it before a test module is imported."""
    common: dict[str, Any] = {"deadline": None, "suppress_health_check": SPEED}
    settings.register_profile("short", max_examples=ONLY or SHORT_EXAMPLES, derandomize=True, **common)
    settings.register_profile("long", max_examples=ONLY or LONG_EXAMPLES, print_blob=True, **common)
    settings.load_profile(sized("short", "long"))
