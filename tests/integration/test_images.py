"""The images of all workers: really built, and their workers started from them against real servers."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.embedded.ports import pick
from cli.run.workers import NAMES
from tests.integration.deployment.servers import Deployment, deployment
from tests.integration.deployment.workers import compose_environment, wait_until_ready
from tests.integration.images import Builder, pip_conf, want_builder
from tests.pace import PATIENCE_S
from tools.deploy import facts

pytestmark = [pytest.mark.timeout(3600)]
SHORT = "validator"  # the smallest
MARK = "a-mark-of-the-secret-configuration-of-pip"
TOOLS = ("pip", "pip3", "gcc", "cc", "make", "curl", "wget", "git")


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    want_builder()
    made = Builder(pip_conf(tmp_path_factory.mktemp("pip"), MARK))
    made.base()
    return made


@pytest.fixture(scope="module")
def deployed(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("deployment")) as made:
        made.secrets.parent.chmod(0o755)  # uid 10001 of a chroot is that of this machine
        made.secrets.chmod(0o755)
        yield made


@pytest.fixture
def image(request: pytest.FixtureRequest, builder: Builder) -> Iterator[str]:
    name = builder.build(request.param)
    yield name
    builder.remove(name)


@pytest.mark.parametrize(
    ("image", "name"),
    [pytest.param(name, name, marks=[] if name == SHORT else pytest.mark.long) for name in NAMES],
    indirect=["image"],
)
def test_a_worker_becomes_ready_in_its_image(
    image: str, name: str, builder: Builder, deployed: Deployment, tmp_path: Path
) -> None:
    _check_contents(builder, image)
    container = builder.run("from", "--pull-never", image)
    (port,) = pick(1)
    environment = compose_environment(name, deployed, port)
    moved = {key: value.replace(str(deployed.secrets), facts.SECRET_FOLDER) for key, value in environment.items()}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(builder.worker(container, moved, deployed.secrets), stdout=output, stderr=output)
    try:
        wait_until_ready(port, process, log)
        worker = _inner(process.pid, name)
        assert worker.uids().real == facts.UID
    finally:
        _end(process, name)
    assert process.returncode == 0, log.read_text()[-2000:]


@pytest.mark.long
def test_the_command_provisions_from_its_image(builder: Builder, deployed: Deployment) -> None:
    image = builder.build(facts.COMMAND)
    try:
        container = builder.run("from", "--pull-never", image)
        command = [*builder.worker(container, {}, deployed.secrets), "provision", "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        assert shown.returncode == 0, shown.stderr
        files = facts.file_variables(facts.admin_secrets())
        again = [*builder.worker(container, files, deployed.secrets), "provision"]
        done = subprocess.run(again, capture_output=True, text=True, check=False, timeout=3 * PATIENCE_S)
        assert done.returncode == 0, done.stderr
        assert "configuration: 0 new" in done.stdout
    finally:
        builder.remove(image)


def _check_contents(builder: Builder, image: str) -> None:
    told = json.loads(builder.run("inspect", "--type", "image", image))["Docker"]
    config = told["config"]
    assert config["User"] == f"{facts.UID}:{facts.UID}"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Labels"]["org.opencontainers.image.version"] == facts.VERSION
    container = builder.run("from", "--pull-never", image)
    root = Path(builder.run("mount", container))
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    print(f"{image}: {size / 1e6:.0f} MB, of which ours {_size(root / 'app') / 1e6:.0f} MB")
    assert [tool for tool in TOOLS if list(root.glob(f"usr/bin/{tool}"))] == []
    assert not list(root.glob("usr/lib/python3*/ensurepip")) and not list((root / "app").rglob("pip"))
    assert [path for path in (root / "app").rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022] == []
    assert list((root / "app" / "libs").rglob("*.pyc"))
    assert (root / "app/build/page/index.html").is_file() == ("gateway" in image)
    assert subprocess.run(["grep", "-rqsI", MARK, str(root)], check=False).returncode == 1
    builder.run("umount", container)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _inner(pid: int, name: str) -> psutil.Process:
    """Trap: SIGTERM to `buildah run` itself kills the worker without a word."""
    (worker,) = [
        child
        for child in psutil.Process(pid).children(recursive=True)
        if f"services.{name}.app" in child.cmdline() and "python3" in child.cmdline()[0]
    ]
    return worker


def _end(process: "subprocess.Popen[bytes]", name: str) -> None:
    if process.poll() is None:
        _inner(process.pid, name).terminate()
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
