"""The name of a recipe: what is trained has the name that it always had."""

import json

import pytest

from voxsiam.training.overrides import override
from voxsiam.training.recipe import Recipe
from voxsiam_experiments.studies import TABLES

READINGS = ["scoring.hd95=larger_directed", "scoring.assd=pooled"]


def test_recipes_keep_their_fingerprints():
    """Runs of earlier versions are found by them: a change here parts every study from its runs."""
    assert Recipe().fingerprint() == "056809963af1c27b"
    rows = {row.label: row.recipe.fingerprint() for row in TABLES["table3"].rows}
    assert rows["feature (1)"] == "09390de7418da627"


def test_the_default_scoring_stands_in_no_file():
    assert "scoring" not in Recipe().model_dump(mode="json")
    assert "scoring" not in json.loads(Recipe().model_dump_json())
    assert Recipe.model_validate_json(Recipe().model_dump_json()) == Recipe()


@pytest.mark.parametrize("reading", READINGS)
def test_another_scoring_is_another_recipe(reading):
    changed = override(Recipe(), [reading])
    name = reading.partition("=")[0].partition(".")[2]
    assert changed.model_dump(mode="json")["scoring"][name] == reading.partition("=")[2]
    assert changed.fingerprint() != Recipe().fingerprint()
    assert Recipe.model_validate_json(changed.model_dump_json()) == changed
