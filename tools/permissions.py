"""docs/security.md holds a table of who may do what on the servers, made of the tables of rights and of workers."""

import re
from collections.abc import Iterable, Iterator

from cli.embedded.redis import RIGHTS as REDIS
from cli.run.workers import WORKERS
from libs.records.rights import WRITES
from libs.schemas.rights import USERS, BusUser
from tools.deploy.facts import ports_outside
from tools.paths import ROOT

FILE = ROOT / "docs" / "security.md"
TABLE = re.compile(r"(?<=<!-- permissions -->\n).*?(?=<!-- end of permissions -->)", re.DOTALL)
COLUMNS = ("user", "publishes on NATS", "pulls", "reads", "MongoDB: writes", "Redis: keys", "outside")
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"


def security_doc() -> str:
    """docs/security.md with the table as the code has it."""
    return TABLE.sub(lambda _: HEAD + "".join(map(_row, USERS)), FILE.read_text())


def check_security_doc() -> list[str]:
    if FILE.read_text() == security_doc():
        return []
    return ["docs/security.md differs from the tables of rights: run `python -m tools.checks --write`"]


def write() -> None:
    FILE.write_text(security_doc())


def _row(user: BusUser) -> str:
    cells = (
        f"`{user.name}`",
        "everything that a stream takes, and the API of JetStream" if user.everything else _quoted(user.publishes),
        _quoted(_durables(user)),
        _quoted(user.reads),
        "everything" if user.everything else _quoted(WRITES.get(user.name, ())),
        "all" if user.everything else _quoted(re.findall(r"~(\S+)", REDIS.get(user.name, ""))),
        _outside(user.name),
    )
    return f"| {' | '.join(cells)} |\n"


def _durables(user: BusUser) -> Iterator[str]:
    """Those of the partitions are one."""
    yield from dict.fromkeys(re.sub(r"-p\d\d$", "-pNN", one.name) for one in user.pulls)


def _outside(name: str) -> str:
    row = WORKERS.get(name)
    if row is None or not row.outside:
        return "-"
    return f"{', '.join(row.outside)}: ports {', '.join(map(str, ports_outside(row)))}"


def _quoted(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names) or "-"
