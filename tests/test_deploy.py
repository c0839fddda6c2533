"""What is deployed beside the code names what the code tells."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from app.main import create_app
from app.schemas.queue import PoolRow, QueueReport
from core.settings import Settings
from models.registry import SHIPPED, Registry

ROOT = Path(__file__).parents[1]
SUFFIX = re.compile("_(total|bucket|sum|count)$")


def test_the_dashboard_asks_for_metrics_that_there_are():
    board = json.loads((ROOT / "deploy/grafana/dashboards/easel.json").read_text())
    asked = re.findall(r"easel_\w+", " ".join(target["expr"] for each in board["panels"] for target in each["targets"]))
    assert len(asked) > 10
    assert {SUFFIX.sub("", name) for name in asked} <= metrics_told()


def metrics_told():
    code = "".join((ROOT / module / "metrics.py").read_text() for module in ("app/monitoring", "workers"))
    return {SUFFIX.sub("", name) for name in re.findall(r'"(easel_\w+)"', code)}


@pytest.fixture(scope="module", params=["one-node", "gpu-pools"])
def manifests(request):
    """What would be applied to a cluster, by kind and name."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    overlay = ROOT / "deploy/kubernetes/overlays" / request.param
    built = subprocess.run(["kubectl", "kustomize", overlay], capture_output=True, text=True, check=True).stdout
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(built)}


def test_manifests_fit_the_schemas_of_kubernetes(manifests):
    own = [
        each for each in manifests.values() if ".com/" not in each["apiVersion"] and "keda.sh" not in each["apiVersion"]
    ]
    assert len(own) > 10
    for each in own:
        kubernetes_validate.validate(each, "1.34", strict=True)


def containers(manifests):
    for (kind, name), each in manifests.items():
        if kind == "Deployment":
            (container,) = each["spec"]["template"]["spec"]["containers"]
            yield name, each["spec"]["template"]["spec"], container


def test_manifests_set_what_settings_there_are(manifests):
    (config,) = [each["data"] for (kind, _), each in manifests.items() if kind == "ConfigMap"]
    for _, _, container in containers(manifests):
        given = config | {each["name"]: each.get("value", "") for each in container["env"]}
        named = {
            name.removeprefix("EASEL_").lower(): value for name, value in given.items() if name != "REDIS_PASSWORD"
        }
        assert set(named) <= set(Settings.model_fields)
        settings = Settings(**named)
        ports = {each["name"]: each["containerPort"] for each in container.get("ports", ())}
        assert {"http": settings.port, "metrics": settings.worker_metrics_port} | ports == {
            "http": settings.port,
            "metrics": settings.worker_metrics_port,
        }


def test_probes_ask_for_what_is_answered(manifests):
    document = create_app(Settings(redis_url="redis://nowhere")).openapi()
    asked = {
        probe["httpGet"]["path"]
        for _, _, container in containers(manifests)
        for name, probe in container.items()
        if name.endswith("Probe") and "httpGet" in probe
    }
    assert asked == {"/livez", "/readyz"}
    assert asked <= set(document["paths"])
    for _, _, container in containers(manifests):
        for name, probe in container.items():
            if name.endswith("Probe") and "exec" in probe:
                assert (ROOT / probe["exec"]["command"][1]).is_file()


def test_a_worker_has_time_for_the_longest_prediction_before_it_is_killed(manifests):
    longest = max(entry.card.serving.timeout_s for entry in Registry([SHIPPED]))
    graces = [spec["terminationGracePeriodSeconds"] for name, spec, _ in containers(manifests) if "worker" in name]
    assert graces
    assert min(graces) >= longest + 60


def test_the_autoscaler_and_the_alerts_ask_for_what_is_told(manifests):
    scaled = [each["spec"] for (kind, _), each in manifests.items() if kind == "ScaledObject"]
    pools = {pool for pool, _ in Settings(pools=pools_of(manifests)).pools} | {"default"}
    for spec in scaled:
        (trigger,) = spec["triggers"]
        pool, figure = re.fullmatch(r'pools\.#\(name=="(\w+)"\)\.(\w+)', trigger["metadata"]["valueLocation"]).groups()
        assert "pools" in QueueReport.model_fields
        assert figure in PoolRow.model_fields
        assert pool in pools
        assert ("Deployment", spec["scaleTargetRef"]["name"]) in manifests
    rules = [each["spec"]["groups"] for (kind, _), each in manifests.items() if kind == "PrometheusRule"]
    asked = re.findall(r"easel_\w+", json.dumps([rule["expr"] for (group,) in rules for rule in group["rules"]]))
    assert bool(asked) == bool(scaled)
    assert {SUFFIX.sub("", name) for name in asked} <= metrics_told()


def pools_of(manifests):
    (config,) = [each["data"] for (kind, _), each in manifests.items() if kind == "ConfigMap"]
    return config.get("EASEL_POOLS", "")


def test_the_job_in_bulk_fits_the_schemas_of_kubernetes_and_its_shards_add_up():
    job = yaml.safe_load((ROOT / "deploy/kubernetes/bulk.yaml").read_text())
    kubernetes_validate.validate(job, "1.34", strict=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert f"--shard $JOB_COMPLETION_INDEX/{job['spec']['completions']}" in container["args"][0]
