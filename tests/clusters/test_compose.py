import copy
import re
import subprocess
import tomllib

import compose_spec
import pytest
import yaml
from packaging.version import Version

from tests.clusters.files import CLUSTERS

COMPOSE = CLUSTERS / "compose"
DIGESTS: dict[str, str] = {
    "POSTGRES_DIGEST": f"sha256:{0:064x}",
    "GARAGE_DIGEST": f"sha256:{0:064x}",
}
SERVICES = {"ray-head", "ray-worker", "mlflow", "postgres", "garage"}


@pytest.fixture(scope="module")
def config():
    return interpolated("compose/compose.yaml")


def interpolated(name, given=None):
    """What compose reads: variables with their defaults; those without one must be given."""
    known: dict[str, str] = DIGESTS if given is None else given

    def value(found: re.Match[str]) -> str:
        variable, kind, rest = found.groups()
        if kind == "?" and variable not in known:
            raise ValueError(f"{variable}: {rest}")
        return known.get(variable, str(rest))

    text = (CLUSTERS / name).read_text()
    return yaml.safe_load(re.sub(r"\$\{(\w+):([?-])([^}]*)\}", value, text))


def validate(config):
    """Compose's own rules, and names that are only resolved at the start."""
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(config)).validate()
    for name, service in config["services"].items():
        assert set(service.get("depends_on", {})) <= set(config["services"]), name
        sources = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        named = {source for source in sources if not source.startswith("./")}
        assert named <= set(config["volumes"]), name
        assert all((COMPOSE / source).is_file() for source in sources - named), name


def test_it_is_valid(config):
    validate(config)
    assert set(config["services"]) == SERVICES
    on_gpus = interpolated("compose/gpu.yaml")
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(on_gpus)).validate()
    assert set(on_gpus["services"]) == {"ray-worker"}


@pytest.mark.parametrize(
    ("service", "field", "value"),
    [
        ("mlflow", "port", ["127.0.0.1:1:1"]),
        ("mlflow", "secrets", ["unheard_of"]),
        ("mlflow", "networks", ["unheard_of"]),
        ("garage", "healthcheck", {"test": ["CMD", "x"], "interval": "soon"}),
        ("ray-worker", "depends_on", {"ray-head": {"condition": "healthy"}}),
    ],
)
def test_compose_would_refuse_it(config, service, field, value):
    broken = copy.deepcopy(config)
    broken["services"][service][field] = value
    with pytest.raises(ValueError, match=r"unheard_of|port|interval|condition"):
        validate(broken)


def test_volumes_of_our_image_belong_to_its_user(config):
    """A new volume takes the owner of the image's folder; where there is none, root's."""
    (made,) = re.findall(
        r"install --directory .* voxsiam (.+)", (CLUSTERS / "Dockerfile").read_text()
    )
    mounted = {
        volume.partition(":")[2]
        for service in config["services"].values()
        if service["image"].startswith("voxsiam:")
        for volume in service["volumes"]
    }
    assert mounted == set(made.split()) == {"/shared", "/accounts"}


def test_ports_leave_on_loopback_alone(config):
    found = {
        name: port
        for name, service in config["services"].items()
        for port in service.get("ports", [])
    }
    assert found == {"ray-head": "127.0.0.1:8265:8265", "mlflow": "127.0.0.1:5000:5000"}
    assert config["networks"]["store"] == {"internal": True}
    for name in ("postgres", "garage"):
        assert config["services"][name]["networks"] == ["store"]


def test_every_service_is_watched_and_waits_for_what_it_needs(config):
    assert all("healthcheck" in service for service in config["services"].values())
    conditions = [
        wait["condition"]
        for service in config["services"].values()
        for wait in service.get("depends_on", {}).values()
    ]
    assert len(conditions) == 4
    assert set(conditions) == {"service_healthy"}


@pytest.mark.parametrize("missing", sorted(DIGESTS))
def test_images_of_others_are_named_by_digest_and_the_command_that_finds_it_is_told(missing):
    given = {name: digest for name, digest in DIGESTS.items() if name != missing}
    with pytest.raises(ValueError, match=f"{missing}: docker buildx imagetools inspect"):
        interpolated("compose/compose.yaml", given)


def test_a_worker_takes_what_it_is_given_and_looks_after_itself(config):
    worker, head = config["services"]["ray-worker"], config["services"]["ray-head"]
    limits = worker["deploy"]["resources"]["limits"]
    assert worker["command"][-1] == f"--num-cpus={limits['cpus']}"
    assert limits["memory"]
    assert head["deploy"]["resources"]["limits"]["memory"]
    assert not any("ray-head" in word for word in worker["healthcheck"]["test"])


def test_ray_has_its_token_and_no_training_is_on_the_head(config):
    for name in ("ray-head", "ray-worker"):
        service = config["services"][name]
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
        assert "ray_token" in service["secrets"]
    command = config["services"]["ray-head"]["command"][2]
    assert "--num-cpus=0" in command


def test_mlflow_has_its_login_its_hosts_and_a_database(config):
    command = config["services"]["mlflow"]["command"][2]
    for words in (
        "--login",
        "--allowed-host mlflow ",
        "--store postgresql://",
        "--artifacts s3://",
    ):
        assert words in command


def test_garage_has_the_flags_that_make_its_bucket(config):
    # `--default-bucket` came with 2.3.0.
    text = (COMPOSE / "compose.yaml").read_text()
    (version,) = re.findall(r"inspect dxflrs/garage:v([\d.]+)\}", text)
    assert Version(version) >= Version("2.3.0")
    assert (
        tomllib.loads((COMPOSE / "garage.toml").read_text())["s3_api"]["s3_region"]
        == (config["services"]["mlflow"]["environment"]["AWS_DEFAULT_REGION"])
    )


def test_secrets_are_made_once_kept_and_stand_in_no_file(config, tmp_path):
    script = tmp_path / "make_secrets.sh"
    script.write_bytes((COMPOSE / "make_secrets.sh").read_bytes())
    subprocess.run(["sh", script], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run(["sh", script], check=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    asked = {secret["file"] for secret in config["secrets"].values()}
    asked |= {
        file for service in config["services"].values() for file in service.get("env_file", [])
    }
    assert {f"secrets/{name}" for name in made} == asked
    lengths = [len(word) for text in made.values() for word in re.findall(r"[0-9a-f]{20,}", text)]
    assert len(lengths) == 8
    assert made["s3.env"].splitlines()[0].rpartition("=")[2] in made["garage.env"]
    text = (COMPOSE / "compose.yaml").read_text()
    assert not re.search(r"(?i)(password|secret|token|key)\w*: *[0-9a-f]{8,}", text)
    ignored = (CLUSTERS.parents[1] / ".gitignore").read_text().splitlines()
    assert "platform/clusters/compose/secrets/" in ignored
