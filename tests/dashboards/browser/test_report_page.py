"""The offline report, opened from its file."""

import pytest

from dashboards.report import write_report

pytestmark = pytest.mark.browser


def test_turning_one_view_of_the_surfaces_turns_all(report_table, tmp_path, page):
    written = write_report(report_table, tmp_path / "report")
    page.goto(written.as_uri())
    page.evaluate("window.chart = document.getElementById('chart-surfaces')")
    page.wait_for_function("chart._fullLayout?.scene2?._scene")
    turned = {"eye": {"x": 0.5, "y": -1.5, "z": 0.5}}
    page.evaluate("(camera) => Plotly.relayout(chart, {'scene2.camera': camera})", turned)
    page.wait_for_function("chart.layout.scene.camera.eye.y === -1.5")
    page.wait_for_function("chart.layout.scene3.camera.eye.y === -1.5")
