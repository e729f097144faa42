import pytest
from pydantic import ValidationError

from voxsiam.metrics.scoring_rules import DEFAULT_RULES, ScoringRules
from voxsiam.types import ORGANS


def test_defaults_are_the_papers():
    assert DEFAULT_RULES.organs == ORGANS
    assert DEFAULT_RULES.missed_distance == "left_out"


def test_organs_stand_in_the_papers_order_once():
    assert ScoringRules(organs=("liver", "spleen", "liver")).organs == ("spleen", "liver")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"organs": ("livr",)}, "did you mean 'liver'"),
        ({"organs": ()}, "at least one organ"),
        ({"missed_distance": "zero"}, "left_out"),
        ({"organ": ("liver",)}, "Extra inputs"),
    ],
)
def test_bad_rules_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        ScoringRules(**fields)
