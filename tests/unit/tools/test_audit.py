"""An audit that could not look a pin up says so and fails."""

from typing import Any

import pytest

from tools.audit import CANARY, SOUND, UNKNOWN, WEAK, judged, rounds
from tools.pins import Pin

PINS = (Pin("alpha", "1.0", ("a" * 64,)), Pin("Beta", "2.1", ("b" * 64,)))
WEAKNESS = {"id": "PYSEC-2014-8", "aliases": ["CVE-2014-1402"], "fix_versions": ["2.7.2"]}
FOUND = {"name": CANARY.name, "version": CANARY.version, "vulns": [WEAKNESS]}
ALPHA: dict[str, Any] = {"name": "alpha", "version": "1.0", "vulns": []}
BETA: dict[str, Any] = {"name": "beta", "version": "2.1", "vulns": []}
SKIPPED = {"name": "beta", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        ([ALPHA, BETA, FOUND], SOUND, "2 of 2 pins looked up, 0 known weaknesses"),
        ([ALPHA, SKIPPED, FOUND], UNKNOWN, "not looked up: Beta 2.1: Dependency not found on PyPI"),
        ([ALPHA, FOUND], UNKNOWN, "not looked up: Beta 2.1: no answer"),
        ([ALPHA, BETA], UNKNOWN, "who was asked knows nothing"),
        ([ALPHA, BETA, FOUND | {"vulns": []}], UNKNOWN, "who was asked knows nothing"),
        (
            [ALPHA, BETA | {"vulns": [WEAKNESS]}, FOUND],
            WEAK,
            "weak: Beta 2.1: PYSEC-2014-8 CVE-2014-1402; mended in 2.7.2",
        ),
        ([ALPHA | {"vulns": [WEAKNESS]}, SKIPPED, FOUND], UNKNOWN, "weak: alpha 1.0"),
        ([], UNKNOWN, "0 of 2 pins looked up"),
    ],
)
def test_what_is_not_known_is_no_good_news(report: list[dict[str, Any]], code: int, said: str) -> None:
    result = judged(report, PINS)
    assert result.code == code
    assert any(said in line for line in result.lines), result.lines


def test_of_a_package_one_version_is_asked_for_at_a_time() -> None:
    older = Pin("beta", "2.0", ())
    asked = rounds([*PINS, older])
    assert asked == [list(PINS), [older]]
