"""deploy/grafana/dashboards: the boards of `panels.py` as Grafana reads them, made with its own SDK."""

import json

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from tools.deploy.panels import BOARDS, Dashboard, Panel

SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
WIDTH, HEIGHT = 12, 8


def dashboards() -> dict[str, str]:
    """Text by path below deploy/grafana."""
    return {f"dashboards/{board.uid.removeprefix('perpetua-')}.json": _text(board) for board in BOARDS}


def _text(board: Dashboard) -> str:
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .tags(["perpetua"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("utc")
        .readonly()
    )
    for panel in board.panels:
        builder = builder.with_panel(_panel(panel))
    made = JSONEncoder(sort_keys=True, indent=2).encode(builder.build())
    return json.dumps(json.loads(made), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _panel(panel: Panel) -> timeseries.Panel:
    builder = timeseries.Panel().title(panel.title).unit(panel.unit).span(WIDTH).height(HEIGHT).datasource(SOURCE)
    builder = builder.legend(common.VizLegendOptions().show_legend(True))
    for number, (legend, expression) in enumerate(panel.queries.items()):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + number))
        builder = builder.with_target(query.exemplar(panel.exemplars))
    return builder
