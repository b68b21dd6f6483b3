"""Every file of a deployment that is made of the table of workers."""

from tools.deploy.compose import compose_file
from tools.deploy.dashboards import dashboards
from tools.deploy.kustomize import k8s_files
from tools.deploy.prometheus import prometheus_file
from tools.deploy.systemd import units
from tools.paths import ROOT


def made_files() -> dict[str, str]:
    """Text by path below the root."""
    return {
        "compose.yaml": compose_file(),
        "deploy/prometheus/prometheus.yml": prometheus_file(),
        **{f"deploy/systemd/{name}": text for name, text in units().items()},
        **{f"deploy/grafana/{name}": text for name, text in dashboards().items()},
        **{f"deploy/k8s/{name}": text for name, text in k8s_files().items()},
    }


def check_deployment() -> list[str]:
    files = made_files()
    wrong = [name for name, text in files.items() if not (ROOT / name).is_file() or (ROOT / name).read_text() != text]
    return [
        *(f"{name} differs from the table of workers: run `python -m tools.checks --write`" for name in wrong),
        *(f"{name} is made of no row of the table of workers: delete it" for name in _left_over(set(files))),
    ]


def _left_over(names: set[str]) -> list[str]:
    """What a worker that is gone has left behind."""
    there = (
        path
        for room in ("systemd", "grafana/dashboards", "k8s/base", "k8s/components")
        for path in (ROOT / "deploy" / room).rglob("*.*")
    )
    return sorted(name for path in there if (name := path.relative_to(ROOT).as_posix()) not in names)


def write() -> None:
    for name, text in made_files().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
