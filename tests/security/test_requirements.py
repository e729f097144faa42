"""Supply chain: every installed package is pinned once, by hash; the wheel lists its parts."""

import json
import re
import sysconfig
import tomllib
from collections import Counter
from importlib.metadata import distribution, distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.requirement_files import REQUIREMENTS, installed_by_make, pins

PROJECT = tomllib.loads((REQUIREMENTS.parent / "pyproject.toml").read_text())
FILES = ("product", "build", "development", "umap")
# Its files differ from index to index, so it comes without a hash, and with it what CUDA needs.
WITHOUT_HASH = re.compile(r"torch|triton|cuda-|nvidia-(?!ml-py)")


def needs(name, extras=frozenset()):
    """Names of the packages that one asks for here."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def reached(first):
    """Names of all that these ask for, and what those ask for."""
    seen, open_ = set(), list(first)
    while open_:
        name, extras = asked = open_.pop()
        if asked not in seen:
            seen.add(asked)
            open_ += needs(name, extras)
    return {name for name, _ in seen}


def test_every_package_is_pinned_once():
    counts = Counter(pin.name for file in FILES for pin in pins(file))
    assert {name for name, count in counts.items() if count > 1} == set()
    assert not {name for name in counts if WITHOUT_HASH.match(name)}


@pytest.mark.parametrize("file", FILES)
def test_every_pin_has_a_hash(file):
    assert [pin.name for pin in pins(file) if not pin.hashes] == []


def test_what_is_installed_is_what_is_pinned():
    # Not the packages that Ray brings in folders of its own.
    folder = [sysconfig.get_path("purelib")]
    here: dict[str, str] = {
        canonicalize_name(found.name): found.version for found in distributions(path=folder)
    }
    pinned = installed_by_make()
    assert {name: here.get(name) for name in pinned} == pinned
    others = {name for name in here.keys() - pinned if not WITHOUT_HASH.match(name)}
    assert others == {"voxsiam"}


def test_the_product_asks_for_no_package_of_the_tests():
    # An editable install asks for `editables`, a wheel does not.
    asked = reached([("voxsiam", frozenset({"server", "s3"}))]) - {"voxsiam", "editables"}
    assert {name for name in asked if not WITHOUT_HASH.match(name)} == {
        pin.name for pin in pins("product")
    }


def test_it_is_built_with_what_is_pinned():
    (asked,) = PROJECT["build-system"]["requires"]
    assert asked == "hatchling==" + installed_by_make()["hatchling"]


def test_the_list_of_parts_is_that_of_the_product():
    bill = json.loads((REQUIREMENTS / "voxsiam.cdx.json").read_text())
    (torch,) = (line for line in PROJECT["project"]["dependencies"] if line.startswith("torch"))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "voxsiam"
    assert {f"{part['name']}=={part['version']}" for part in bill["components"]} == {
        torch,
        *(f"{pin.name}=={pin.version}" for pin in pins("product")),
    }
    assert all(
        part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}" for part in bill["components"]
    )
