import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.nifti_files import ALL_AXES, QFORM, SFORM_ROWS, patch, ras_affine, reoriented, write_scan
from voxsiam.errors import UserError
from voxsiam.metrics.case_scores import NativePair, score_case, score_native
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.resampling import resample_nearest
from voxsiam_data.evaluation.found_labels import find_labels
from voxsiam_data.evaluation.scoring import (
    Comparison,
    comparable_organs,
    find_pairs,
    score_pair,
    score_pairs,
)
from voxsiam_data.labels.protocols import PROTOCOLS, protocol

SPACING_XYZ = (0.8, 1.1, 2.5)
AFFINE = ras_affine(SPACING_XYZ, origin=(-30.0, 12.0, 100.0))


def paired(predictions, references):
    return find_pairs(find_labels(predictions), find_labels(references))


OURS = Comparison(protocol("voxsiam"), protocol("voxsiam"), ScoringRules())


def label_xyz(seed=0, shape=(13, 11, 9)):
    """Blocks of all organs; another seed gives another anatomy."""
    coarse = np.random.default_rng(seed).integers(0, 9, [n // 3 + 1 for n in shape])
    fine = coarse.repeat(3, 0).repeat(3, 1).repeat(3, 2)
    return fine[: shape[0], : shape[1], : shape[2]].astype(np.uint8)


def shifted(array, by=1):
    return np.roll(array, by, axis=0)


@pytest.fixture
def folders(tmp_path):
    """Three cases; the predictions are the references moved by one voxel."""
    for number in range(3):
        truth = label_xyz(number)
        write_scan(tmp_path / "ref" / f"case_{number}.nii.gz", truth, AFFINE)
        write_scan(tmp_path / "pred" / f"case_{number}.nii.gz", shifted(truth), AFFINE)
    return tmp_path / "pred", tmp_path / "ref"


def one_pair(tmp_path, prediction, reference, affine=AFFINE):
    write_scan(tmp_path / "p.nii.gz", prediction, affine)
    write_scan(tmp_path / "r.nii.gz", reference, AFFINE)
    return paired(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz")[0]


def rows(scores):
    return [
        tuple(None if value != value else value for value in dataclasses.astuple(one))
        for one in scores
    ]


def test_files_of_two_folders_are_paired_by_name(folders):
    pairs = paired(*folders)
    assert [pair.case_id for pair in pairs] == ["case_0", "case_1", "case_2"]
    names = [f"case_{number}.nii.gz" for number in range(3)]
    assert [pair.prediction for pair in pairs] == [folders[0] / name for name in names]
    assert [pair.reference for pair in pairs] == [folders[1] / name for name in names]


def test_two_files_are_a_pair_whatever_their_names(tmp_path):
    truth = label_xyz()
    write_scan(tmp_path / "case_7_0000.nii", truth, AFFINE)
    write_scan(tmp_path / "drawn.nii.gz", truth, AFFINE)
    (pair,) = paired(tmp_path / "case_7_0000.nii", tmp_path / "drawn.nii.gz")
    assert pair.case_id == "case_7"


@pytest.mark.parametrize(
    ("prediction", "reference", "case_id"),
    [
        ("a.nii.gz", "a.nii.gz", "a"),
        ("a.nii", "a.nii.gz", "a"),
        ("a_0000.nii.gz", "a.nii.gz", "a"),
        ("a/label.nii.gz", "a.nii.gz", "a"),
        ("a.nii.gz", "a/label.nii", "a"),
        ("a/segmentation.nii.gz", "a/label.nii.gz", "a"),
        ("a 1.b.nii.gz", "a 1.b.nii.gz", "a 1.b"),
        ("fäll.nii.gz", "fäll/label.nii.gz", "fäll"),
        ("-a.nii.gz", "-a.nii.gz", "-a"),
    ],
)
def test_layouts_that_pair(tmp_path, prediction, reference, case_id):
    write_scan(tmp_path / "pred" / prediction, label_xyz(), AFFINE)
    write_scan(tmp_path / "ref" / reference, label_xyz(), AFFINE)
    (pair,) = paired(tmp_path / "pred", tmp_path / "ref")
    assert pair.case_id == case_id
    assert score_pairs([pair], OURS).scores[0].case_id == case_id


def test_other_files_are_passed_over(folders):
    pred, ref = folders
    for name in ("summary.json", ".hidden.nii.gz", "plans.pkl"):
        (pred / name).write_text("x")
    (pred / "logs").mkdir()
    write_scan(ref / "case_3" / "label.nii.gz", label_xyz(3), AFFINE)
    write_scan(ref / "case_3" / "image.nii.gz", label_xyz(3), AFFINE)
    write_scan(pred / "case_3" / "organs.nii.gz", label_xyz(3), AFFINE)
    write_scan(pred / "case_3" / "image.nii.gz", label_xyz(3), AFFINE)
    pairs = paired(pred, ref)
    assert [pair.case_id for pair in pairs] == ["case_0", "case_1", "case_2", "case_3"]
    assert pairs[3].prediction == pred / "case_3" / "organs.nii.gz"
    assert pairs[3].reference == ref / "case_3" / "label.nii.gz"


@pytest.mark.parametrize(
    ("prediction", "reference", "what"),
    [
        ([], ["a.nii.gz"], "holds no label maps"),
        (["a.nii.gz"], [], "holds no label maps"),
        (["notes.txt"], ["a.nii.gz"], "holds no label maps"),
        (
            ["a.nii.gz", "b.nii.gz"],
            ["a.nii.gz", "c.nii.gz"],
            r"Without a reference: b\. Without a prediction: c\.",
        ),
        (["a.nii.gz"], ["a.nii.gz", "c.nii.gz"], "Without a reference: none"),
        (["a.nii.gz", "b.nii.gz"], ["a.nii.gz"], "Without a prediction: none"),
        (["a.nii", "a.nii.gz"], ["a.nii.gz"], "belong to the case 'a': a.nii, a.nii.gz"),
        (["a_0000.nii.gz", "a.nii.gz"], ["a.nii.gz"], "belong to the case 'a'"),
        (["a/one.nii.gz", "a/two.nii.gz"], ["a.nii.gz"], "several label maps: one.nii.gz, two"),
        (["img0012.nii.gz"], ["label0012.nii.gz"], "Without a reference: img0012"),
        (
            [f"{i}.nii.gz" for i in range(9)],
            ["9.nii.gz"],
            r"reference: 0, 1, 2, 3, 4 and 4 more\. Without a prediction: 9\.",
        ),
    ],
    ids=lambda value: None if isinstance(value, list) else value[:20],
)
def test_folders_that_do_not_match_are_refused(tmp_path, prediction, reference, what):
    for side, names in (("pred", prediction), ("ref", reference)):
        (tmp_path / side).mkdir()
        for name in names:
            (tmp_path / side / name).parent.mkdir(exist_ok=True)
            (tmp_path / side / name).write_bytes(b"")
    with pytest.raises(UserError, match=what) as caught:
        paired(tmp_path / "pred", tmp_path / "ref")
    assert str(tmp_path) in caught.value.where


def test_a_side_that_is_missing_or_of_another_kind_is_refused(folders):
    pred, ref = folders
    with pytest.raises(UserError, match="not there") as caught:
        paired(pred / "nowhere", ref)
    assert caught.value.where.endswith("nowhere")
    with pytest.raises(UserError, match="is one case, the other side is a folder"):
        paired(pred, ref / "case_0.nii.gz")


def test_scores_are_those_of_the_label_maps(folders):
    scores = score_pairs(paired(*folders), OURS).scores
    assert len(scores) == 3 * len(PAPER_ORGANS)
    for number in range(3):
        truth = label_xyz(number)
        d_h_w = (shifted(truth).transpose(2, 1, 0), truth.transpose(2, 1, 0))
        expected = score_native(f"case_{number}", NativePair(*d_h_w, (2.5, 1.1, 0.8)))
        for one, other in zip(rows(scores)[8 * number :], rows(expected), strict=False):
            assert one == pytest.approx(other)


def test_a_grid_adds_the_grids_scores(folders):
    grid = (5, 8, 7)
    pair = paired(*folders)[1]
    found, _ = score_pair(pair, dataclasses.replace(OURS, grid_dhw=grid))
    truth = label_xyz(1)
    maps = [array.transpose(2, 1, 0) for array in (shifted(truth), truth)]
    spacing = (2.5 * 9 / 5, 1.1 * 11 / 8, 0.8 * 13 / 7)
    on_grid = [resample_nearest(one, grid) for one in maps]
    native = NativePair(maps[0], maps[1], (2.5, 1.1, 0.8))
    expected = score_case("case_1", on_grid[0], on_grid[1], spacing, native)
    for one, other in zip(rows(found), rows(expected), strict=True):
        assert one == pytest.approx(other)


def test_threads_change_neither_scores_nor_order(folders):
    pairs = paired(*folders)[::-1]
    steps = []
    alone = score_pairs(pairs, OURS, threads=1).scores
    together = score_pairs(pairs, OURS, lambda *step: steps.append(step), threads=3).scores
    assert rows(alone) == rows(together)
    assert alone[0].case_id == "case_2"
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_maps_along_other_axes_score_the_same(tmp_path):
    truth, guess = label_xyz(), shifted(label_xyz())
    expected = rows(score_pair(one_pair(tmp_path, guess, truth), OURS)[0])
    for one_side, other_side in zip(ALL_AXES, ALL_AXES[7:] + ALL_AXES[:7], strict=True):
        write_scan(tmp_path / "p.nii.gz", *reoriented(guess, AFFINE, *one_side))
        write_scan(tmp_path / "r.nii.gz", *reoriented(truth, AFFINE, *other_side))
        pair = paired(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz")[0]
        found, _ = score_pair(pair, OURS)
        for one, other in zip(rows(found), expected, strict=True):
            assert one == pytest.approx(other)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_same_anatomy_in_other_values_scores_the_same(tmp_path, name):
    other = protocol(name)
    truth, guess = label_xyz(), shifted(label_xyz())
    renamed = np.zeros(guess.shape, np.int16)
    for value, ours in other.values_for().items():
        if ours:
            renamed[guess == ours] = value
    organs = comparable_organs(other, protocol("voxsiam"))
    comparison = Comparison(other, protocol("voxsiam"), ScoringRules(classes=organs))
    found, _ = score_pair(one_pair(tmp_path, renamed, truth), comparison)
    plain = dataclasses.replace(comparison, prediction=protocol("voxsiam"))
    assert rows(found) == rows(score_pair(one_pair(tmp_path, guess, truth), plain)[0])


def test_an_organ_that_a_protocol_lacks_is_left_out():
    btcv, ours = protocol("btcv"), protocol("voxsiam")
    assert comparable_organs(btcv, ours) == comparable_organs(ours, btcv) == PAPER_ORGANS[:-1]
    assert comparable_organs(btcv, ours, ("liver",)) == ("liver",)
    with pytest.raises(UserError, match="'btcv' cannot hold the organ 'duodenum'"):
        comparable_organs(ours, btcv, ("liver", "duodenum"))
    with pytest.raises(UserError, match="no organ 'livr'") as caught:
        comparable_organs(btcv, ours, ("livr",))
    assert "did you mean 'liver'" in caught.value.fix


def moved(**change):
    affine = AFFINE.copy()
    for name, value in change.items():
        affine[{"x": 0, "y": 1, "z": 2}[name], 3] += value
    return affine


def mirrored():
    """The affine runs the other way along x from the same corner: a flip that tools do make."""
    affine = AFFINE.copy()
    affine[0, 0] *= -1
    return affine


@pytest.mark.parametrize(
    ("affine", "shape", "what"),
    [
        (moved(x=0.8), (13, 11, 9), "up to 1 voxels away"),
        (moved(z=0.05), (13, 11, 9), "up to 0.02 voxels away"),
        (mirrored(), (13, 11, 9), "up to 12 voxels away"),
        (ras_affine((0.8, 1.1, 2.6), (-30.0, 12.0, 100.0)), (13, 11, 9), "voxels away"),
        (AFFINE, (13, 11, 8), "8 x 11 x 13 voxels, its reference 9 x 11 x 13"),
        (AFFINE, (11, 13, 9), "9 x 13 x 11 voxels, its reference 9 x 11 x 13"),
    ],
    ids=["one voxel", "a hair", "mirrored", "spacing", "slice less", "swapped"],
)
def test_maps_that_do_not_lie_on_each_other_are_refused(tmp_path, affine, shape, what):
    pair = one_pair(tmp_path, label_xyz(shape=shape), label_xyz(), affine)
    with pytest.raises(UserError, match=what) as caught:
        score_pair(pair, OURS)
    assert "p.nii.gz" in caught.value.where
    assert "r.nii.gz" in caught.value.where


def test_the_rounding_of_headers_is_no_shift(tmp_path):
    pair = one_pair(tmp_path, label_xyz(), label_xyz(), moved(x=1e-4, y=-1e-4))
    assert score_pair(pair, OURS)[0][4].dsc_native == 1.0


def with_values(value, dtype):
    array = label_xyz().astype(dtype)
    array[0, 0, :3] = value
    return array


@pytest.mark.parametrize("side", ["p.nii.gz", "r.nii.gz"])
@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [
        (9, np.uint8, r"9 \(3 voxels\)"),
        (255, np.uint8, r"255 \(3 voxels\)"),
        (-1, np.int16, r"-1 \(3 voxels\)"),
        (0.9999, np.float32, r"0.999899983 \(3 voxels\)"),
        (np.nan, np.float32, r"nan \(3 voxels\)"),
    ],
)
def test_unknown_values_name_file_value_and_count(tmp_path, side, value, dtype, shown):
    maps = {"p.nii.gz": label_xyz(), "r.nii.gz": label_xyz()}
    maps[side] = with_values(value, dtype)
    pair = one_pair(tmp_path, maps["p.nii.gz"], maps["r.nii.gz"])
    with pytest.raises(UserError, match=shown) as caught:
        score_pairs([pair], OURS)
    assert caught.value.where == str(tmp_path / side)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "gzip"),
        (b"not an image", "not gzip-compressed"),
        (gzip.compress(b"not an image"), "not a NIfTI file"),
    ],
    ids=["empty", "text", "zipped text"],
)
def test_broken_files_are_named(folders, content, what):
    (folders[0] / "case_1.nii.gz").write_bytes(content)
    with pytest.raises(UserError, match=what) as caught:
        score_pairs(paired(*folders), OURS)
    assert caught.value.where.endswith("case_1.nii.gz")


def test_a_truncated_file_is_named(folders):
    path = Path(folders[1] / "case_2.nii.gz")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError) as caught:
        score_pairs(paired(*folders), OURS)
    assert caught.value.where == str(path)


def test_a_broken_link_is_named(folders):
    (folders[0] / "case_1.nii.gz").unlink()
    (folders[0] / "case_1.nii.gz").symlink_to("nowhere.nii.gz")
    with pytest.raises(UserError, match="does not exist") as caught:
        score_pairs(paired(*folders), OURS)
    assert caught.value.where.endswith("case_1.nii.gz")


def test_references_without_any_organ_are_refused(tmp_path):
    pair = one_pair(tmp_path, label_xyz(), np.zeros_like(label_xyz()))
    with pytest.raises(UserError, match="None of the references") as caught:
        score_pairs([pair], OURS)
    assert "--protocol" in caught.value.fix


def test_a_prediction_without_any_organ_is_all_missed(tmp_path):
    pair = one_pair(tmp_path, np.zeros_like(label_xyz()), label_xyz())
    assert all(score.missed_native for score in score_pairs([pair], OURS).scores)


def test_a_header_that_says_two_things_is_refused_or_settled_and_told(tmp_path):
    pair = one_pair(tmp_path, label_xyz(), label_xyz())
    stale = (SFORM_ROWS, "<12f", 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    for name in ("p.nii.gz", "r.nii.gz"):
        patch(tmp_path / name, (QFORM, "<h", 1), stale)
    with pytest.raises(UserError, match="its qform"):
        score_pair(pair, OURS)
    for form in ("sform", "qform"):
        scores, notes = score_pair(pair, dataclasses.replace(OURS, geometry=form))
        assert scores[4].dsc_native == 1.0
        assert len(notes) == 1, "said once for both"
        assert f"the {form} counts" in notes[0]
