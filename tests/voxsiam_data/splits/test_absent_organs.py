from voxsiam.types import ORGANS, Split
from voxsiam_data.prepared.record import PreparedCase
from voxsiam_data.splits.absent_organs import absent_organs

GRID = (16, 16, 16)


def case(name, *absent):
    voxels = {organ: 0 if organ in absent else 7 for organ in ORGANS}
    return PreparedCase(
        case_id=name, patient_id=name, source="toy", key="0" * 16, shape=GRID,
        spacing_mm=(1.0, 1.0, 1.0), native_shape=GRID, native_spacing_mm=(1.0, 1.0, 1.0),
        organ_voxels=voxels, annotated=ORGANS,
    )  # fmt: skip


def test_organs_that_a_whole_side_lacks_are_told():
    cases = [case("a", "liver"), case("b", "spleen"), case("c", "left_kidney", "liver"), case("d")]
    split = Split(train=("a", "b"), test=("c",))
    assert absent_organs(split, cases) == ("No test case shows: left kidney, liver.",)
    assert absent_organs(Split(train=("a", "c"), test=("d",)), cases) == (
        "No training case shows: liver.",
    )
    assert absent_organs(Split(train=("b", "c"), validation=("d",), test=("a", "d")), cases) == ()
