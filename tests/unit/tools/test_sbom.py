"""A bill of materials has each pin of its image, and is the same each time."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.paths import ROOT
from tools.pins import pins_of
from tools.sbom import NAMES, PINS, bill, write

STRICT = JsonStrictValidator(SchemaVersion.V1_6)  # its schemas come with the package: nothing is fetched


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write(made := tmp_path_factory.mktemp("sbom"))
    return made


@pytest.mark.parametrize("name", NAMES)
def test_each_pin_is_in_it_with_its_digests(name: str, folder: Path) -> None:
    told = json.loads((folder / f"perpetua-{name}.cdx.json").read_text())
    entries = (PINS / f"{name}.txt").read_text().replace("\\\n", " ").splitlines()
    wanted = {entry.split(" ")[0]: entry.count("--hash=") for entry in entries if "==" in entry}
    assert wanted, name
    assert {f"{one['name']}=={one['version']}": len(one["hashes"]) for one in told["components"]} == wanted
    refs = [one["bom-ref"] for one in told["components"]]
    assert len(set(refs)) == len(refs) and told["dependencies"][0]["dependsOn"] == refs


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_of_cyclonedx_takes_it(name: str, folder: Path) -> None:
    told = (folder / f"perpetua-{name}.cdx.json").read_text()
    assert STRICT.validate_str(told) is None


def test_what_the_schema_does_not_know_is_refused() -> None:
    made = bill("validator", pins_of(ROOT / "requirements" / "validator.txt"))
    for wrong in ({**made, "component": []}, {**made, "serialNumber": "1"}, {**made, "version": "1"}):
        assert STRICT.validate_str(json.dumps(wrong)) is not None


def test_what_only_one_worker_needs_is_in_its_image_alone(folder: Path) -> None:
    names = {
        name: {one["name"] for one in json.loads((folder / f"perpetua-{name}.cdx.json").read_text())["components"]}
        for name in ("decider", "executor", "validator")
    }
    assert "litellm" in names["decider"] and "litellm" not in names["executor"] | names["validator"]


def test_the_same_pins_give_the_same_bill() -> None:
    pins = pins_of(ROOT / "requirements" / "validator.txt")
    assert bill("validator", pins) == bill("validator", pins)
    assert bill("validator", pins)["serialNumber"] != bill("validator", pins[1:])["serialNumber"]
