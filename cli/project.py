"""Where things lie: the project, its configuration, market data, and the state of a run."""

import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
SHARED_DATA = ROOT.parent / "shared" / "data"
CHECKOUT = (ROOT / "pyproject.toml").is_file()
"""Else it is installed: nothing is written beside the packages."""
STATE = ROOT / ".perpetua" if CHECKOUT else Path.home() / ".perpetua"
FETCHED = ROOT / ".tools" if CHECKOUT else Path.home() / ".cache" / "perpetua"


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder of a run, `.perpetua/` unless another one was asked for."""

    folder: Path

    @property
    def own_config(self) -> Path:
        """What `perpetua init` writes."""
        return self.folder / "config"

    @property
    def config(self) -> Path:
        """Accounts, strategies and venue of this run: the folder's own where it has any, else the project's."""
        return self.own_config if (self.own_config / "accounts.yaml").exists() else CONFIG

    @property
    def variables(self) -> Path:
        """Variables for whatever runs here, keys of models among them; for the owner only."""
        return self.folder / "environment"

    @property
    def run_file(self) -> Path:
        return self.folder / "run.json"

    @property
    def api_key(self) -> Path:
        return self.folder / "api_key"

    @property
    def publisher_url(self) -> Path:
        """The address of NATS for whoever publishes ticks from another program."""
        return self.folder / "publisher_url"

    @property
    def servers(self) -> Path:
        """What the folder remembers of its own servers, where it has had some."""
        return self.folder / "servers.json"

    @property
    def seeded(self) -> Path:
        return self.folder / "seeded.json"

    @property
    def market(self) -> Path:
        return self.folder / "market"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def supervisor_log(self) -> Path:
        return self.logs / "supervisor.log"


def shown(path: Path) -> str:
    """A path as people read it: relative to where they are when it is below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def place(folder: Path) -> str:
    """What a command needs to find the run of this folder: ` --state-dir DIR`, nothing for the usual one."""
    return "" if folder.resolve() == STATE.resolve() else f" --state-dir {shlex.quote(shown(folder))}"
