import copy
import re

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.clusters.files import CLUSTERS, load

ON_PREMISE, AWS = "launcher/on-premise.yaml", "launcher/aws.yaml"
TO_FILL_IN = {
    ON_PREMISE: {"HEAD_ADDRESS", "WORKER_ADDRESS_1", "WORKER_ADDRESS_2", "SSH_USER"},
    AWS: {"REGISTRY", "FILE_SYSTEM", "GPU_IMAGE"},
}


def on_gpus(config):
    """The changes that the head of the file names."""
    config = copy.deepcopy(config)
    if config["provider"]["type"] == "local":
        config["docker"]["image"] = "voxsiam:gpu"
        config["docker"]["run_options"].append("--gpus=all")
    else:
        for name, number in (("cpu-worker", 0), ("gpu-worker", 2)):
            config["available_node_types"][name] |= {"min_workers": number, "max_workers": number}
    return config


@pytest.mark.parametrize("name", [ON_PREMISE, AWS])
@pytest.mark.parametrize("variant", [copy.deepcopy, on_gpus])
def test_ray_takes_it(name, variant):
    config = prepare_config(variant(load(name)))
    validate_config(config)
    assert config["max_workers"] == 2


def test_ray_would_refuse_it():
    config = load(AWS)
    config["available_node_types"]["cpu-worker"]["max_worker"] = 3
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        validate_config(prepare_config(config))
    config = load(AWS) | {"head_node_type": "heads"}
    with pytest.raises(ValueError, match="head_node_type"):
        validate_config(prepare_config(config))


@pytest.mark.parametrize("name", [ON_PREMISE, AWS])
def test_no_training_is_on_the_head(name):
    config = load(name)
    if config["provider"]["type"] == "local":
        (start,) = (line for line in config["head_start_ray_commands"] if "--head" in line)
        assert "--num-cpus=0" in start
    else:
        assert config["available_node_types"]["head"]["resources"] == {"CPU": 0}


@pytest.mark.parametrize("name", [ON_PREMISE, AWS])
def test_token_and_tracking_are_brought_and_the_dashboard_stays_on_the_head(name):
    config = load(name)
    assert config["file_mounts"]["/home/voxsiam/.ray/auth_token"] == "~/.ray/auth_token"
    (start,) = (line for line in config["head_start_ray_commands"] if "--head" in line)
    assert "--dashboard-host=127.0.0.1" in start
    (tracking,) = (path for path in config["file_mounts"] if path.endswith("tracking.env"))
    assert tracking.replace("/home/voxsiam", ". ~") in start


@pytest.mark.parametrize("name", [ON_PREMISE, AWS])
def test_the_login_of_mlflow_stays_on_the_head(name):
    (remove,) = load(name)["worker_setup_commands"]
    assert remove == "rm -f ~/.voxsiam/tracking.env"


def test_spot_machines_are_one_mark_away():
    config = yaml.safe_load(
        (CLUSTERS / AWS).read_text().replace("# InstanceMarket", "InstanceMarket")
    )
    validate_config(prepare_config(config))
    types = config["available_node_types"]
    spot = {name for name, kind in types.items() if "InstanceMarketOptions" in kind["node_config"]}
    assert spot == {"cpu-worker", "gpu-worker"}


@pytest.mark.parametrize("name", [ON_PREMISE, AWS])
def test_what_is_to_fill_in_is_said_at_its_head(name):
    text = (CLUSTERS / name).read_text()
    comments, _, body = text.partition("cluster_name:")
    body = re.sub(r"#.*|\$\w+", "", body)
    found = set(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*\b|\bREGISTRY\b", body))
    assert found == TO_FILL_IN[name]
    assert all(word in comments for word in found)
