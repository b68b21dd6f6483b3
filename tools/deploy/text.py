"""YAML as people read it."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tools.deploy.facts import MADE


class _Dumper(yaml.SafeDumper):
    """No anchors, and lists indented below their key."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Dumper.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", ""))
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def comment(*lines: str) -> str:
    """The head of a file that is made."""
    return "".join(f"# {line}\n" for line in (MADE, *lines))


def to_yaml(*documents: Mapping[str, Any], head: Sequence[str] = ()) -> str:
    body = "---\n".join(yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=118) for one in documents)
    return f"{comment(*head)}\n{body}"
