"""The offline report, opened from its file."""

import pytest

from tests.voxsiam_dashboards.browser.polling import until
from voxsiam_dashboards.reports.study import write_report

pytestmark = pytest.mark.browser


def test_turning_one_view_of_the_surfaces_turns_all(report_table, tmp_path, page):
    written = write_report(report_table, tmp_path / "report")
    page.goto(written.as_uri())
    page.evaluate("window.chart = document.getElementById('chart-surfaces')")
    until(page, lambda: page.evaluate("Boolean(chart._fullLayout?.scene2?._scene)"))
    turned = {"eye": {"x": 0.5, "y": -1.5, "z": 0.5}}
    page.evaluate("(camera) => Plotly.relayout(chart, {'scene2.camera': camera})", turned)
    until(page, lambda: page.evaluate("chart.layout.scene.camera.eye.y === -1.5"))
    until(page, lambda: page.evaluate("chart.layout.scene3.camera.eye.y === -1.5"))
