"""A cluster whose autoscaler has no node yet: Ray's own autoscaler, with nodes of this machine."""

import json
import subprocess
import sys

import pytest

from tests.own_host import on_a_host_of_its_own


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_study_waits_for_the_first_node(child_environment, tmp_path):
    host = on_a_host_of_its_own()
    if not host:
        pytest.skip("the kernel lets no user have a network of its own")
    command = [
        *host,
        sys.executable,
        "-m",
        "tests.integration.autoscaled_study",
        str(tmp_path),
        "1",
    ]
    done = subprocess.run(
        command, env=child_environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    said = outcome["said"]
    assert outcome["code"] == 0, said
    assert "no node trains by now: the autoscaler is asked for 1 CPU" in said
    assert outcome["nodes"] == 2, said  # the head, and all that there may be
    assert outcome["trained"] == outcome["expected"] != []
