import copy
import json
import shlex

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml

from tests.clusters.files import CLUSTERS, VARIANTS, load, pinned
from tests.clusters.kuberay import RAY_CLUSTER, RAY_JOB
from voxsiam.orchestration.submission.jobs import JOB_SETTINGS, STOP_NOTICE_S
from voxsiam_cli.app import app

KUBERNETES = "1.32"


def cluster(variant):
    """What `kubectl apply -k` sends: the CPU cluster, patched for GPUs."""
    # Without the aliases of YAML, as kustomize sees it.
    resource = json.loads(json.dumps(load("kuberay/cpu/cluster.yaml")))
    if variant == "gpu":
        (entry,) = load("kuberay/gpu/kustomization.yaml")["patches"]
        assert entry["target"] == {"kind": resource["kind"], "name": resource["metadata"]["name"]}
        for patch in yaml.safe_load(entry["patch"]):
            apply_patch(resource, patch)
    return resource


def apply_patch(resource, patch):
    """The two operations of RFC 6902 that we use; `replace` needs something to replace."""
    *way, last = patch["path"].strip("/").split("/")
    for word in way:
        resource = resource[int(word) if isinstance(resource, list) else word]
    assert patch["op"] == "add" or (patch["op"] == "replace" and last in resource)
    resource[last] = patch["value"]


def groups(resource):
    return [resource["spec"]["headGroupSpec"], *resource["spec"]["workerGroupSpecs"]]


def validate_pod(template):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **template}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_cluster_is_valid(variant):
    resource = cluster(variant)
    jsonschema.validate(resource, RAY_CLUSTER)
    for group in groups(resource):
        validate_pod(group["template"])


def test_a_misspelt_field_would_be_found():
    resource = cluster("cpu")
    resource["spec"]["authOption"] = resource["spec"].pop("authOptions")
    with pytest.raises(jsonschema.ValidationError, match="authOption"):
        jsonschema.validate(resource, RAY_CLUSTER)
    (container,) = cluster("cpu")["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    container["volumeMount"] = container.pop("volumeMounts")
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        validate_pod({"spec": {"containers": [container]}})


def test_the_storage_is_valid_shared_and_mounted_everywhere():
    claim = load("kuberay/cpu/storage.yaml")
    kubernetes_validate.validate(claim, KUBERNETES, strict=True)
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for group in groups(cluster("gpu")):
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        (container,) = pod["containers"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        shared = volumes[mounts["/shared"]]["persistentVolumeClaim"]
        assert shared["claimName"] == claim["metadata"]["name"]
        # Ray keeps its objects there.
        assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"


def test_the_folders_name_every_file():
    assert set(load("kuberay/cpu/kustomization.yaml")["resources"]) == {
        "storage.yaml",
        "cluster.yaml",
        "network.yaml",
        "disruption.yaml",
    }
    assert load("kuberay/gpu/kustomization.yaml")["resources"] == ["../cpu"]


def test_token_versions_and_no_training_on_the_head():
    spec = cluster("cpu")["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["rayVersion"] == pinned("ray")
    head = spec["headGroupSpec"]["rayStartParams"]
    assert head["num-cpus"] == "0"


def test_only_the_gpu_variant_asks_for_gpus():
    workers = {}
    for variant in VARIANTS:
        pod = cluster(variant)["spec"]["workerGroupSpecs"][0]["template"]["spec"]
        workers[variant] = copy.deepcopy(pod["containers"][0])
    assert "nvidia.com/gpu" not in workers["cpu"]["resources"]["limits"]
    assert workers["gpu"]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert [workers[variant]["image"] for variant in VARIANTS] == ["voxsiam:cpu", "voxsiam:gpu"]


def test_pods_run_as_the_images_user_without_rights():
    for group in groups(cluster("gpu")):
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsUser"] == 1000
        (container,) = pod["containers"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_the_job_has_what_submit_gives():
    given = yaml.safe_load(load("kuberay/job.yaml")["spec"]["runtimeEnvYAML"])
    assert given == {"env_vars": JOB_SETTINGS}


def test_ports_are_for_the_cluster_and_the_dashboard_for_jobs_and_the_operator():
    policy = load("kuberay/cpu/network.yaml")
    kubernetes_validate.validate(policy, KUBERNETES, strict=True)
    own = {"matchLabels": {"ray.io/cluster": cluster("cpu")["metadata"]["name"]}}
    assert policy["spec"]["podSelector"] == own
    inside, outside = policy["spec"]["ingress"]
    assert inside == {"from": [{"podSelector": own}]}
    assert outside["ports"] == [{"port": 8265}]


def test_the_head_is_not_moved_while_it_lives():
    text = (CLUSTERS / "kuberay/cpu/disruption.yaml").read_text()
    head, workers = yaml.safe_load_all(text)
    for budget in (head, workers):
        kubernetes_validate.validate(budget, KUBERNETES, strict=True)
    assert head["spec"]["minAvailable"] == workers["spec"]["maxUnavailable"] == 1
    assert head["spec"]["selector"]["matchLabels"]["ray.io/node-type"] == "head"


def test_a_study_has_time_to_close_its_runs():
    spec = cluster("cpu")["spec"]["headGroupSpec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > STOP_NOTICE_S


@pytest.mark.parametrize("variant", VARIANTS)
def test_shared_memory_is_a_part_of_the_pods(variant):
    for group in groups(cluster(variant)):
        pod = group["template"]["spec"]
        (memory,) = (v["emptyDir"]["sizeLimit"] for v in pod["volumes"] if v["name"] == "memory")
        limit = pod["containers"][0]["resources"]["limits"]["memory"]
        part = int(memory.removesuffix("Gi")) / int(limit.removesuffix("Gi"))
        assert 0.3 < part < 0.45


def test_workers_on_gpus_may_stand_where_only_those_may():
    (group,) = cluster("gpu")["spec"]["workerGroupSpecs"]
    (toleration,) = group["template"]["spec"]["tolerations"]
    assert toleration == {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def test_the_job_runs_a_command_that_exists_on_the_cluster_that_exists():
    job = load("kuberay/job.yaml")
    jsonschema.validate(job, RAY_JOB)
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster("cpu")["metadata"]["name"]}
    program, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert program == "voxsiam"
    command = typer.main.get_command(app)
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command = getattr(command, "commands", {})[arguments.pop(0)]
    options = command.make_context("run", arguments).params
    assert options["name"] == job["spec"]["metadata"]["study"]
    assert str(options["workspace"]).startswith("/shared/")
