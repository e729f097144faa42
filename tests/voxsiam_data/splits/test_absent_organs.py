from voxsiam.types import PAPER_ORGANS, Split
from voxsiam.volumes.preparation import PREPARATION_VERSION
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.record import PreparedCase, PreparedRecord
from voxsiam_data.splits.absent_organs import absent_organs

GRID = (16, 16, 16)


def case(name, *absent):
    voxels = {organ: 0 if organ in absent else 7 for organ in PAPER_ORGANS}
    return PreparedCase(
        case_id=name, patient_id=name, source="toy", key="0" * 16, shape=GRID,
        spacing_mm=(1.0, 1.0, 1.0), native_shape=GRID, native_spacing_mm=(1.0, 1.0, 1.0),
        organ_voxels=voxels, annotated=PAPER_ORGANS,
    )  # fmt: skip


def test_organs_that_a_whole_side_lacks_are_told():
    cases = [case("a", "liver"), case("b", "spleen"), case("c", "left_kidney", "liver"), case("d")]
    prepared = PreparedRecord(
        version=PREPARATION_VERSION, name="toy", kind="real", fingerprint="",
        config=PreparationConfig(grid_dhw=GRID), cases=tuple(cases),
    )  # fmt: skip
    split = Split(train=("a", "b"), test=("c",))
    assert absent_organs(split, prepared) == ("No test case shows: left kidney, liver.",)
    assert absent_organs(Split(train=("a", "c"), test=("d",)), prepared) == (
        "No training case shows: liver.",
    )
    assert (
        absent_organs(Split(train=("b", "c"), validation=("d",), test=("a", "d")), prepared) == ()
    )
