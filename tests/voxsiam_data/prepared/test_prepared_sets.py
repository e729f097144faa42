from tests.voxsiam_dashboards.prepared_cases import write_prepared
from voxsiam_data.prepared.prepared_sets import PreparedSets


def test_a_set_is_found_by_what_it_holds_wherever_it_lies(tmp_path):
    first = write_prepared(tmp_path / "first", count=1)
    folders = [tmp_path / "gone", tmp_path / "first"]
    sets = PreparedSets(lambda: folders)
    assert sets.find(first.fingerprint) == first
    assert sets.find("f" * 16) is None
    # A study that is started while the page is open brings its own.
    second = write_prepared(tmp_path / "second", count=2)
    assert sets.find(second.fingerprint) is None
    folders.append(tmp_path / "second")
    assert sets.find(second.fingerprint) == second


def test_a_record_that_was_altered_is_as_good_as_absent(tmp_path):
    found = write_prepared(tmp_path / "altered", count=1)
    file = tmp_path / "altered" / "prepared.json"
    file.write_text(file.read_text().replace('"000"', '"111"'))
    assert PreparedSets(lambda: [tmp_path / "altered"]).find(found.fingerprint) is None
