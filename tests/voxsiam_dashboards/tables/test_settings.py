import dataclasses

import pytest

from voxsiam.fingerprint import flatten
from voxsiam_dashboards.tables.settings import (
    ABSENT,
    PRESENT,
    settings_table,
    settings_that_differ,
)
from voxsiam_experiments.recipes import supervised_contrastive, unet3d, vnet, voxel_simsiam
from voxsiam_experiments.studies import TABLES


def dumped(*recipes):
    return [recipe.model_dump(mode="json") for recipe in recipes]


def test_only_what_differs_is_listed():
    found = settings_that_differ(dumped(*(row.recipe for row in TABLES["table3"].rows)))
    assert found == {
        "feature_loss.layers": ("1", "2", "3"),
        "feature_loss.weight": ("100.0", "10.0", "10.0"),
    }


def test_equal_recipes_differ_in_nothing():
    assert settings_that_differ(dumped(unet3d(), unet3d())) == {}


def test_a_group_that_is_left_out_is_one_line():
    found = settings_that_differ(dumped(unet3d(), voxel_simsiam()))
    assert found == {"feature_loss": (ABSENT, PRESENT)}
    found = settings_that_differ(dumped(vnet(), voxel_simsiam(layers=1), voxel_simsiam()))
    assert found["feature_loss"] == (ABSENT, PRESENT, PRESENT)
    assert found["feature_loss.layers"] == (ABSENT, "1", "3")
    assert "feature_loss.relation.hidden_dim" not in found


def test_what_only_one_kind_of_loss_has_is_listed():
    found = settings_that_differ(dumped(supervised_contrastive(), voxel_simsiam()))
    assert found["feature_loss.relation.temperature"] == ("0.1", ABSENT)
    assert "feature_loss" not in found


def test_every_setting_that_differs_is_found_by_a_plain_look():
    recipes = dumped(*(row.recipe for row in TABLES["readings"].rows[1:]))
    flat = [flatten(recipe) for recipe in recipes]
    plain = {name for name in flat[0] if len({str(each[name]) for each in flat}) > 1}
    assert set(settings_that_differ(recipes)) == plain


def test_the_report_has_one_column_for_each_row_that_has_started(report_table):
    table = settings_table(report_table)
    started = [row.label for row in report_table.rows if row.trials]
    assert table.header == ("Setting", *started)
    assert ("feature_loss.layers", "1", "2", "3") in table.body


def test_shares_of_labels_are_a_setting(report_table):
    rows = tuple(
        dataclasses.replace(report_table.rows[0], label=str(share), label_fraction=share)
        for share in (0.1, 1.0)
    )
    table = settings_table(dataclasses.replace(report_table, rows=rows))
    assert table.body == (("label_fraction", "0.1", "1.0"),)


@pytest.mark.parametrize(("count", "note"), [(0, "Fewer than two"), (2, "in no setting")])
def test_a_table_without_lines_says_why(report_table, count, note):
    rows = (report_table.rows[0],) * count
    table = settings_table(dataclasses.replace(report_table, rows=rows))
    assert table.body == ()
    assert note in table.notes[0]
