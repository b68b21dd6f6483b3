"""Each alert has a page that says what to do, and each page an alert."""

import re

import yaml

from tools.paths import ROOT

RULES = ROOT / "deploy/prometheus/rules/perpetua.yaml"
PAGES = ROOT / "docs/runbooks"
PARTS = (
    "What it means",
    "What users feel",
    "First three commands",
    "How to mend it",
    "How to know that it is over",
)


def alerts(text: str) -> dict[str, dict[str, str]]:
    """Labels and annotations of each alert by its name."""
    groups = yaml.safe_load(text)["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return {rule["alert"]: {**rule["labels"], **rule["annotations"]} for rule in rules}


def check_runbooks() -> list[str]:
    told = alerts(RULES.read_text())
    pages = {path.stem: path.read_text() for path in PAGES.glob("*.md")}
    return [
        *(f"docs/runbooks/{name}.md is missing: an alert has that name" for name in sorted(told.keys() - pages.keys())),
        *(f"docs/runbooks/{name}.md is of no alert" for name in sorted(pages.keys() - told.keys())),
        *(
            f"docs/runbooks/{name}.md: {line}"
            for name in sorted(told.keys() & pages.keys())
            for line in wrong(name, pages[name])
        ),
        *(
            f"{name} names another runbook"
            for name, said in told.items()
            if said["runbook"] != f"docs/runbooks/{name}.md"
        ),
    ]


def wrong(name: str, text: str) -> list[str]:
    """What a page lacks."""
    lines = [] if text.startswith(f"# {name}\n") else [f"its title is not {name}"]
    if tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) != PARTS:
        lines.append(f"its parts are not: {', '.join(PARTS)}")
    commands = re.search(r"```\n(.*?)```", text, re.DOTALL)
    if commands is None or len(commands[1].splitlines()) != 3:
        lines.append("it has not three commands")
    return lines
