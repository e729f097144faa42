"""The list of breaks fits the code; what it proves is proven by `make mutate`."""

import pytest

from tests.breaks.run import ROOT, all_breaks


@pytest.mark.parametrize("one", all_breaks(), ids=lambda one: one.why)
def test_a_break_can_be_made_and_names_tests(one):
    assert one.broken(ROOT) != (ROOT / one.file).read_text()
    if one.file.endswith(".py"):
        compile(one.broken(ROOT), one.file, "exec")
    assert one.tests
    assert all((ROOT / test).exists() for test in one.tests)


def test_there_are_eighty_and_none_twice():
    breaks = [(one.file, one.old, one.new) for one in all_breaks()]
    assert len(set(breaks)) == len(breaks) >= 80


def test_a_text_that_is_not_there_exactly_once_is_an_error():
    one = all_breaks()[0]
    for old in ("return", "what is nowhere"):
        with pytest.raises(ValueError, match="times"):
            type(one)(one.why, one.file, old, "", one.tests).broken(ROOT)
