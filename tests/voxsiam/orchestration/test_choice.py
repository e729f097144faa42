import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.choice import Choice, choose

CHOICES = [
    Choice("table3", "table3-tiny-2", "tiny, 1 of 3 trained", 2),
    Choice("table3", "table3-mini-1", "mini, 6 of 6 trained", 1),
    Choice("fig7", "fig7-mini-3", "mini, 2 of 9 trained", 3),
]


def meant(text, choices=CHOICES):
    return choose(text, choices, "study", "/w")


def test_an_id_means_its_study_and_a_name_the_only_one_that_has_it():
    assert [meant(text) for text in ("table3-mini-1", "table3-tiny-2", "fig7")] == [1, 2, 3]


def test_a_name_that_several_have_is_refused_with_what_tells_them_apart():
    with pytest.raises(UserError, match="'table3' means 2 different studies here") as caught:
        meant("table3")
    assert caught.value.where == "/w"
    for told in ("table3-tiny-2 (tiny, 1 of 3 trained)", "table3-mini-1 (mini, 6 of 6 trained)"):
        assert told in caught.value.fix


def test_an_id_is_never_shadowed_by_a_name():
    odd = [*CHOICES, Choice("fig7-mini-3", "odd", "tiny", 4)]
    assert meant("fig7-mini-3", odd) == 3


@pytest.mark.parametrize(("text", "fix"), [("tabel3", "'table3'"), ("", "use one of"), ("x", "of")])
def test_an_unknown_name_is_refused_with_the_nearest(text, fix):
    with pytest.raises(UserError, match="there is no study") as caught:
        meant(text)
    assert fix in caught.value.fix


def test_where_there_is_nothing_the_mend_is_to_begin():
    with pytest.raises(UserError) as caught:
        choose("lambda", [], "sweep", "/w")
    assert caught.value.fix == "start one: voxsiam sweep run --help"


def test_of_very_many_not_all_are_listed():
    many = [Choice("fig7", f"fig7-{n}", "tiny", n) for n in range(30)]
    with pytest.raises(UserError, match="30 different") as caught:
        meant("fig7", many)
    assert caught.value.fix.endswith("fig7-7 (tiny) and 22 more")
