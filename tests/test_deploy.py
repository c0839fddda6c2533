"""What is deployed beside the code names what the code tells."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIX = re.compile("_(total|bucket|sum|count)$")


def test_the_dashboard_asks_for_metrics_that_there_are():
    board = json.loads((ROOT / "deploy/grafana/dashboards/easel.json").read_text())
    asked = re.findall(r"easel_\w+", " ".join(target["expr"] for each in board["panels"] for target in each["targets"]))
    code = "".join((ROOT / module / "metrics.py").read_text() for module in ("app/monitoring", "workers"))
    told = {SUFFIX.sub("", name) for name in re.findall(r'"(easel_\w+)"', code)}
    assert len(asked) > 10
    assert {SUFFIX.sub("", name) for name in asked} <= told
