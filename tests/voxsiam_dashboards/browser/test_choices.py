from voxsiam_dashboards.browser.address import Address, read_address
from voxsiam_dashboards.browser.choices import changed, mark, query_of


def field(name, was):
    return {"choice": name, "part": "", "was": mark(was)}


def test_a_field_that_has_just_been_drawn_changes_nothing():
    assert changed([(field("a", "x"), "x"), (field("b", "y"), "y")]) == {}
    assert changed([(field("a", "x"), None)]) == {}


def test_what_a_reader_chooses_goes_into_the_address_beside_the_rest():
    chosen = changed([(field("a", "x"), "50% & {b}?"), (field("b", "y"), "y")])
    address = Address("study", "a" * 32, "compare", {"a": "x", "b": "y"})
    query = query_of(address, chosen)
    assert read_address(f"/study/{'a' * 32}/compare", query) == Address(
        "study", "a" * 32, "compare", {"a": "50% & {b}?", "b": "y"}
    )


def test_an_empty_choice_leaves_the_address():
    assert query_of(Address("compare", chosen={"a": "x"}), {"a": ""}) == ""
