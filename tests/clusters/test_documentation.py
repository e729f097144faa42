import re

from tests.clusters.files import CLUSTERS, ROOT, pinned, project
from voxsiam.orchestration.trials.cluster_metrics import READINGS, RUNNING

PAGE = (ROOT / "docs" / "cluster.md").read_text()
WAYS = (
    "Dockerfile",
    "slurm/voxsiam.sbatch",
    "launcher/on-premise.yaml",
    "launcher/aws.yaml",
    "kuberay/job.yaml",
)
FILES = [path for path in CLUSTERS.rglob("*") if path.is_file() and "secrets" not in path.parts]


def test_versions_are_those_of_the_project():
    assert f"Ray {pinned('ray')}" in PAGE
    assert f"Python {project()['requires-python'].removeprefix('>=')}" in PAGE


def test_every_port_of_the_files_is_named():
    ports = set()
    for path in FILES:
        text = path.read_text()
        ports |= set(re.findall(r"(?:port[= ]+|Port: |:)(\d{4,5})\b", text))
    assert {"6379", "8265", "5000", "3900", "3901"} <= ports
    # USER 1000:1000 and nofile=65536:65536 are none.
    unnamed = {port for port in ports if not re.search(rf"\b{port}\b", PAGE)}
    assert unnamed == {"1000", "65536"}


def test_every_way_in_the_files_is_on_the_page():
    for path in WAYS:
        assert (CLUSTERS / path).is_file()
        assert f"platform/clusters/{path}" in PAGE
    commands = re.findall(r"platform/clusters/[\w./-]+", PAGE)
    assert len(commands) > 10
    made_there = ("secrets/", ".env")
    assert all((ROOT / n).exists() or any(m in n for m in made_there) for n in commands)


def test_no_training_is_on_a_head_started_by_hand():
    (head,) = re.findall(r"^ray start --head.*$", PAGE, re.M)
    assert "--num-cpus=0" in head
    assert "--dashboard-host=127.0.0.1" in head


def test_every_metric_is_explained():
    assert set(re.findall(r"`ray_(voxsiam_\w+)`", PAGE)) == {RUNNING, *READINGS}
