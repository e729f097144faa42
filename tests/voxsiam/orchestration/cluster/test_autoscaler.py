"""What an autoscaler is asked for; with a real one: tests/integration/test_autoscaler.py."""

import pytest

from tests.polling import wait_until
from voxsiam.orchestration.cluster.autoscaler import (
    Demand,
    autoscales,
    await_first_node,
    is_demand,
)
from voxsiam.orchestration.cluster.held_places import held_places

pytestmark = pytest.mark.usefixtures("ray_instance")


@pytest.fixture(autouse=True)
def nothing_stays():
    """Places that stayed would be missed by every later test."""
    yield
    for places in demands():
        places.free()


def demands():
    return [places for places in held_places() if is_demand(places)]


def test_an_autoscaler_that_only_watches_is_none_and_nothing_is_waited_for():
    assert not autoscales()
    await_first_node({"CPU": 1000.0})


def test_demand_waits_once_until_it_is_over():
    demand = Demand([{"CPU": 1000.0}])
    demand.is_for(2)
    demand.is_for(5)
    (asked,) = demands()
    assert asked.resources == {"CPU": 2000.0}
    demand.is_over()
    wait_until(lambda: not demands())
    demand.is_over()


def test_demand_that_is_met_holds_nothing():
    demand = Demand([{"CPU": 1.0}])
    demand.is_for(1)
    wait_until(lambda: [places.waits for places in demands()] == [False])
    demand.is_for(1)
    wait_until(lambda: not demands())
