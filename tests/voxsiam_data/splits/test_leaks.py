import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS, Split
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.entries import EntryFacts
from voxsiam_data.prepared.intensity_statistics import compute_statistics, keep_statistics
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.prepared.record import PreparedCase
from voxsiam_data.splits.leaks import check_split

GRID = (16, 16, 16)
FILES = ("image.npy", "label.npy", "native_label.npy.gz")
SPLIT = Split(train=("a", "b", "c"), validation=("d",), test=("e", "f"))


def sketch(number):
    """Far from that of every other number."""
    return tuple(np.random.default_rng(number).normal(0, 1, 256).tolist())


def some_set(root, *, patients="abcdef", same=None, config=None):
    """Entries whose files are named by checksums alone; `same` gives two cases one of them."""
    sums = {name: {file: f"{file} of {name}" for file in FILES} for name in "abcdef"}
    if same is not None:
        file, first, second = same
        sums[second][file] = sums[first][file]
    cases = []
    for number, (name, patient) in enumerate(zip("abcdef", patients, strict=True)):
        key = f"{number:016x}"
        (root / "volumes" / key).mkdir(parents=True)
        described = {
            "shape": GRID, "spacing_mm": (1.0, 1.0, 1.0),
            "native_shape": GRID, "native_spacing_mm": (1.0, 1.0, 1.0),
            "organ_voxels": dict.fromkeys(PAPER_ORGANS, 1), "annotated": PAPER_ORGANS,
        }  # fmt: skip
        facts = EntryFacts(**described, sketch=sketch(number), sha256=sums[name])
        (root / "volumes" / key / "meta.json").write_text(facts.model_dump_json())
        case = PreparedCase(case_id=name, patient_id=patient, source="toy", key=key, **described)
        cases.append(case)
    config = config or PreparationConfig(grid_dhw=GRID)
    return PreparedSet(
        root=root, name="toy", kind="phantom", fingerprint="0" * 16, config=config,
        cases=tuple(cases),
    )  # fmt: skip


def test_a_split_without_leaks(tmp_path):
    assert check_split(SPLIT, some_set(tmp_path)) == ()


def test_what_does_not_take_part_may_be_anything(tmp_path):
    """A patient, or a copy, of a case that is on no side."""
    partly = Split(train=("a",), test=("e",))
    assert check_split(partly, some_set(tmp_path, patients="abcdee")) == ()
    assert check_split(partly, some_set(tmp_path / "2", same=("image.npy", "e", "f"))) == ()


def redraw(prepared, name, values):
    path = prepared.folder(prepared.case(name)) / "meta.json"
    facts = EntryFacts.model_validate_json(path.read_bytes())
    path.write_text(facts.model_copy(update={"sketch": tuple(values)}).model_dump_json())


@pytest.mark.parametrize(("train", "other"), [("b", "e"), ("c", "d"), ("d", "f")])
def test_a_scan_that_was_changed_a_little_is_known_again(tmp_path, train, other):
    prepared = some_set(tmp_path)
    original = np.array(sketch("abcdef".index(train)))
    redraw(prepared, other, original + 0.04)
    with pytest.raises(UserError, match=f"'{train}' .*nearly the same image|nearly the same image"):
        check_split(SPLIT, prepared)
    redraw(prepared, other, original + 0.06)
    assert check_split(SPLIT, prepared) == ()


def test_scans_alike_on_one_side_are_no_leak(tmp_path):
    prepared = some_set(tmp_path)
    redraw(prepared, "b", sketch(0))
    redraw(prepared, "f", sketch(4))
    assert check_split(SPLIT, prepared) == ()


def test_copies_on_one_side_are_no_leak(tmp_path):
    assert check_split(SPLIT, some_set(tmp_path, patients="aacdee")) == ()
    assert check_split(SPLIT, some_set(tmp_path / "2", same=("image.npy", "a", "b"))) == ()


LEAKS = {
    "unknown case": ({}, {"train": ("a", "bee")}, "names the case 'bee', which is not in toy"),
    "test case trains": ({}, {"train": ("a", "e")}, "'e' stands under train and under test"),
    "test case validates": ({}, {"validation": ("f",)}, "'f' stands under validation and under"),
    "listed twice": ({}, {"train": ("a", "a")}, "'a' stands under train and under train"),
    "patient trains and tests": (
        {"patients": "abcdea"},
        {},
        r"'f' \(test\) and 'a' \(train\) belong to one patient",
    ),
    "patient validates and tests": (
        {"patients": "abcdef".replace("d", "e")},
        {},
        r"'e' \(test\) and 'd' \(validation\) belong to one patient",
    ),
    "patient trains and validates": ({"patients": "abccef"}, {}, "belong to one patient"),
    **{
        f"same {file}": ({"same": (file, "a", "e")}, {}, f"hold the same {noun}")
        for file, noun in zip(FILES, ("image", "label map", "label map"), strict=True)
    },
    "one of three copies": ({"same": ("image.npy", "d", "f")}, {}, "hold the same image"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_leaks_are_refused(tmp_path, name):
    set_up, sides, words = LEAKS[name]
    prepared = some_set(tmp_path, **set_up)
    with pytest.raises(UserError, match=words) as caught:
        check_split(SPLIT.model_copy(update=sides), prepared, "split.csv")
    assert caught.value.where == "split.csv"
    assert caught.value.fix


def test_a_volume_that_cannot_be_read_is_left_to_its_reader(tmp_path):
    prepared = some_set(tmp_path)
    (tmp_path / "volumes" / prepared.cases[0].key / "meta.json").write_text("{")
    assert check_split(SPLIT, prepared) == ()


class InMemory(PreparedSet):
    """A set whose volumes are drawn by their names."""

    def load(self, case_id, *, verify=True):
        from voxsiam.types import Volume

        image = np.random.default_rng(ord(case_id)).random(GRID).astype(np.float32)
        return Volume(case_id, image, np.zeros(GRID, np.uint8), (1.0, 1.0, 1.0), (), PAPER_ORGANS)


def drawn(prepared):
    return InMemory(**dict(prepared))


def test_statistics_of_the_training_cases(tmp_path):
    prepared = drawn(some_set(tmp_path))
    found = compute_statistics(prepared, ("c", "a"))
    hu = np.concatenate([prepared.load(name).image.ravel() * 450.0 - 200 for name in "ac"])
    assert found.mean_hu == pytest.approx(hu.mean(), abs=1e-2)
    assert found.std_hu == pytest.approx(hu.std(), abs=1e-2)
    assert found.cases == ("a", "c")


def standard(root, mean_hu, std_hu):
    config = PreparationConfig(grid_dhw=GRID, intensity="standard", mean_hu=mean_hu, std_hu=std_hu)
    return some_set(root, config=config)


@pytest.mark.parametrize(("cases", "leaks"), [("abc", False), ("ad", False), ("abe", True)])
def test_statistics_computed_on_test_cases_are_refused(tmp_path, cases, leaks):
    found = compute_statistics(drawn(some_set(tmp_path / "unit")), tuple(cases))
    prepared = standard(tmp_path / "standard", found.mean_hu, found.std_hu)
    keep_statistics(prepared.root, found)
    if not leaks:
        assert check_split(SPLIT, prepared) == ()
        return
    with pytest.raises(UserError, match="computed on 1 test cases, first 'e'"):
        check_split(SPLIT, prepared)


def test_statistics_of_unknown_origin_are_said(tmp_path):
    prepared = standard(tmp_path, 40.0, 90.0)
    other = compute_statistics(drawn(some_set(tmp_path / "unit")), ("e",))
    keep_statistics(prepared.root, other)
    (note,) = check_split(SPLIT, prepared)
    assert "does not say on which cases mean_hu=40" in note


def test_statistics_need_hounsfield_units(tmp_path):
    with pytest.raises(UserError, match="hides the HU"):
        compute_statistics(standard(tmp_path, 40.0, 90.0), ("a",))


def test_a_damaged_record_is_named(tmp_path):
    prepared = standard(tmp_path, 40.0, 90.0)
    (tmp_path / "statistics-0.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be read") as caught:
        check_split(SPLIT, prepared)
    assert caught.value.where.endswith("statistics-0.json")
