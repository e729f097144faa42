"""Every declared study: its rows, its recipes, and the figures that the paper prints."""

import pytest

from voxsiam.types import PAPER_ORGANS
from voxsiam_experiments import backbones, fig7, table1, table2, table4, table5
from voxsiam_experiments.presets import PRESETS
from voxsiam_experiments.recipes import RECIPES, unet3d, voxel_simsiam
from voxsiam_experiments.studies import STUDIES, TABLES

NAMES = [
    "table1", "table2", "table3", "table4", "table5", "fig7", "backbones", "readings",
]  # fmt: skip
SAME_NAME = {"Supervised contrastive loss": "Supervised Contrastive Loss"}


def test_all_studies_are_there():
    assert list(TABLES) == NAMES
    assert set(TABLES) < set(STUDIES)


@pytest.mark.parametrize("study", STUDIES.values(), ids=list(STUDIES))
@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_every_row_is_a_training_of_its_own_at_every_size(study, preset):
    recipes = [preset.apply(row.recipe, preset.grid_dhw) for row in study.rows]
    assert len({row.label for row in study.rows}) == len(study.rows)
    shares = [row.label_fraction for row in study.rows]
    trainings = {(r.fingerprint(), f) for r, f in zip(recipes, shares, strict=True)}
    assert len(trainings) == len(recipes)


def test_rows_that_two_studies_share_are_one_training():
    assert table1.TABLE.rows == table2.TABLE.rows
    ours = voxel_simsiam().fingerprint()
    assert table4.TABLE.rows[1].recipe.fingerprint() == ours
    assert table5.TABLE.rows[0].recipe == voxel_simsiam(layers=1)
    assert fig7.TABLE.rows[-1].recipe.fingerprint() == ours
    assert fig7.TABLE.rows[-2].recipe == unet3d()
    assert backbones.TABLE.rows[1].recipe.fingerprint() == ours
    assert TABLES["readings"].rows[1].recipe.fingerprint() == ours


def test_the_six_methods_are_the_six_recipes():
    assert [row.recipe for row in table1.TABLE.rows] == [recipe() for recipe in RECIPES.values()]


def test_backbones_add_the_loss_and_nothing_else():
    rows = {row.label: row.recipe for row in backbones.TABLE.rows}
    assert len(rows) == 8
    for label, recipe in rows.items():
        if not label.endswith("+ ours"):
            with_ours = rows[f"{label} + ours"]
            assert with_ours.with_changes(feature_loss=None) == recipe
            assert with_ours.feature_loss == voxel_simsiam().feature_loss


def test_each_reading_differs_from_ours_in_the_feature_loss_alone():
    ours = voxel_simsiam()
    changed = [row.recipe for row in TABLES["readings"].rows[2:]]
    assert len({recipe.fingerprint() for recipe in [ours, *changed]}) == len(changed) + 1
    assert all(recipe.with_changes(feature_loss=ours.feature_loss) == ours for recipe in changed)


def test_without_weights_the_classes_count_alike():
    without, ours = (row.recipe.feature_loss for row in table4.TABLE.rows)
    assert without is not None
    assert ours is not None
    assert without.relation.class_weights == "uniform"
    relation = without.relation.model_copy(update={"class_weights": "inverse_frequency"})
    assert without.model_copy(update={"relation": relation}) == ours


def test_only_the_heads_width_varies_in_table_v():
    losses = [row.recipe.feature_loss for row in table5.TABLE.rows]
    assert [loss.relation.hidden_dim for loss in losses if loss] == [64, 128, 256]
    assert {(loss.layers, loss.weight) for loss in losses if loss} == {(1, 100.0)}


def test_shares_of_labels_grow_to_all_of_them():
    shares = [row.label_fraction for row in fig7.TABLE.rows]
    assert shares == sorted(shares)
    assert set(shares) == {0.1, 0.2, 0.4, 0.6, 0.8, 1.0}


def printed_lines(text, title):
    """Figures of a table of the paper's text, by the first cell of the line."""
    lines = text.split(f"\n{title}\n")[1].split("\nTABLE")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    return {row[0].split(" [")[0]: [c for c in row[1:] if c] for row in rows}


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "title"), [
    ("table3", "TABLE III"), ("table4", "TABLE IV"), ("table5", "TABLE V"),
])  # fmt: skip
def test_ablations_hold_what_the_paper_prints(shared_data, name, title):
    printed = printed_lines((shared_data.parent / "paper.txt").read_text(), title)
    for row in TABLES[name].rows:
        expected = [float(cell) for cell in printed[row.label]]
        assert [row.printed.dsc, row.printed.hd95, row.printed.assd] == expected


@pytest.mark.shared_data
def test_tables_i_and_ii_hold_what_the_paper_prints(shared_data):
    text = (shared_data.parent / "paper.txt").read_text()
    dice, distances = printed_lines(text, "TABLE I"), printed_lines(text, "TABLE II")
    for row in table1.TABLE.rows:
        name = SAME_NAME.get(row.label, row.label)
        average, *organs = (float(cell) for cell in dice[name])
        assert row.printed.dsc == average
        assert list(row.printed.organs.values()) == organs
        assert list(row.printed.organs) == list(PAPER_ORGANS)
        _, hd95, assd = distances[name]
        assert [row.printed.hd95, row.printed.assd] == [float(hd95), float(assd)]


def test_the_averages_of_table_i_are_those_of_its_organs_but_one():
    off = {
        row.label: round(sum(row.printed.organs.values()) / 8 - (row.printed.dsc or 0), 4)
        for row in table1.TABLE.rows
    }
    wrong = {label: by for label, by in off.items() if abs(by) > 0.0006}
    assert wrong == {"Supervised contrastive loss": -0.0034}


def test_what_the_footnotes_say_of_the_printed_figures_is_so():
    rows = {row.label: row.printed for row in table1.TABLE.rows}
    unet, ours = rows["3D U-Net"], rows["Ours"]
    contrastive, attention = rows["Supervised contrastive loss"], rows["Attention U-Net"]
    assert sum(contrastive.organs.values()) / 8 < sum(unet.organs.values()) / 8
    assert (contrastive.hd95 or 0) > (unet.hd95 or 0)
    best = max(p.dsc or 0 for label, p in rows.items() if label != "Ours")
    assert round((ours.dsc or 0) - (unet.dsc or 0), 3) == 0.020
    assert round((ours.dsc or 0) - best, 3) == 0.019
    ahead = [organ for organ in PAPER_ORGANS if attention.organs[organ] > ours.organs[organ]]
    assert ahead == ["spleen", "liver"]
    residual = rows["Residual 3D U-Net"].organs
    assert residual["left_kidney"] == ours.organs["left_kidney"]
    wider = {row.label: row.printed for row in table5.TABLE.rows}
    assert all((wider[f"feature ({n})"].hd95 or 0) > (unet.hd95 or 0) for n in (64, 128))
    assert (wider["feature (64)"].assd or 0) > (unet.assd or 0) > (wider["feature (128)"].assd or 1)


@pytest.mark.parametrize("name", ["table1", "table2"])
def test_both_tables_of_the_six_methods_warn_of_the_misprint(name):
    # Either report shows the printed averages and organs.
    text = " ".join(TABLES[name].footnotes)
    assert "0.787, does not fit its own organs" in text
    assert "0.019 over the best" in text
    assert "ahead on spleen and liver" in text
