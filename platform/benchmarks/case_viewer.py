"""How long a large case takes to open in the browser, and to scroll through.

Run: .venv/bin/python platform/benchmarks/case_viewer.py --steps 100
Makes a case of 512x512x200 voxels with the predictions of two rows, serves it on loopback, opens it
in Chromium with both rows and the ground truth shown, and scrolls through each plane. Opening is
timed from the request of the page to the first drawn slice and to the last overlay; a step is the
redraw of all three planes, on this machine's processor where there is no GPU.
"""

import argparse
import json
import logging
import shutil
import statistics
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from voxsiam.metrics.organ_score import OrganScore
from voxsiam.orchestration.runs.result_files import (
    PREDICTIONS,
    PackedLabels,
    write_predictions,
    write_scores,
)
from voxsiam.types import PAPER_ORGANS, Shape
from voxsiam.volumes.orientation import axis_order
from voxsiam.volumes.placement import Placement, whole_box
from voxsiam.volumes.preparation import PreparedVolume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_dashboards.browser.app import create_app
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_data.prepared.entries import write_entry
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.prepared.record import PreparedCase

CASE, DATA, ROWS = "large", "d" * 16, ("first", "second")
SPACING_MM = (1.5, 0.8, 0.8)
FLAGS = ["--no-sandbox"]

# Scrolls one plane by one slice after another; each step draws all three.
STEPS = """
([plane, steps]) => {
  const { viewer } = document.querySelector(".voxel-viewer");
  const [along] = viewer.planes.find((each) => each.name === plane).axes;
  const took = [];
  for (let step = 0; step < steps; step++) {
    viewer.at[along] = (viewer.at[along] + 1) % viewer.facts.shape[along];
    const start = performance.now();
    viewer.draw();
    viewer.controls.tell();
    // Reading a pixel waits until the canvas has really been drawn.
    viewer.planes.forEach((each) => each.canvas.getContext("2d").getImageData(0, 0, 1, 1));
    took.push(performance.now() - start);
  }
  return took;
}
"""

# Time between frames while every frame scrolls by one slice, as a wheel that is turned fast.
FRAMES = """
(steps) => new Promise((done) => {
  const { viewer } = document.querySelector(".voxel-viewer");
  const took = [];
  let before = performance.now();
  const frame = (now) => {
    took.push(now - before);
    before = now;
    if (took.length > steps) return done(took.slice(1));
    viewer.move(0, (viewer.at[0] + 1) % viewer.facts.shape[0]);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})
"""


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def main() -> None:
    """Make the case, open it, scroll, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--shape", type=int, nargs=3, default=(200, 512, 512), metavar=tuple("dhw"))
    asked = parser.parse_args()
    d, h, w = asked.shape
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        prepared = _write_case(store / "prepared", (d, h, w))
        uri, parent = _write_study(store, prepared)
        store = CachedStore(uri, store / "figures", "http://127.0.0.1:5000", lambda _: prepared)
        hosts: list[str] = []
        server = make_server(
            "127.0.0.1", 0, lambda *_: [], threaded=True, request_handler=_Quiet
        )  # fmt: skip
        hosts.append(f"127.0.0.1:{server.port}")
        server.app = create_app(store, tuple(hosts)).server
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://{hosts[0]}/study/{parent}/cases?rows={'%0A'.join(ROWS)}"
        print(json.dumps(_measure(address, asked.steps), indent=1))
        server.shutdown()


def _measure(address: str, steps: int) -> dict[str, Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        # The server has its modules and the study in memory after the first page.
        page.goto(address.partition("/cases")[0])
        page.get_by_text("Ours beside the paper's").wait_for()
        opened = [_open(browser.new_page(viewport={"width": 1366, "height": 768}), address)
                  for _ in range(3)]  # fmt: skip
        page.goto(address)
        page.locator(".voxel-viewer[data-state=ready]").wait_for()
        found = {plane: page.evaluate(STEPS, [plane, steps]) for plane in
                 ("axial", "coronal", "sagittal")}  # fmt: skip
        frames = page.evaluate(FRAMES, steps)
        page.keyboard.press("e")
        page.wait_for_timeout(500)
        found["axial with the error map"] = page.evaluate(STEPS, ["axial", steps])
        browser.close()
    return {
        "first slice s": [round(first, 2) for first, _ in opened],
        "all overlays s": [round(last, 2) for _, last in opened],
        "step ms (median, 95 %)": {name: _spread(took) for name, took in found.items()},
        "frame ms while scrolling (median, 95 %)": _spread(frames),
    }


def _open(page: Page, address: str) -> tuple[float, float]:
    page.goto(address, wait_until="commit")
    page.locator(".voxel-viewer[data-state=ready]").wait_for()
    marks = ("case drawn", "case ready")
    first, last = (
        page.evaluate("(name) => performance.getEntriesByName(name)[0].startTime", mark) / 1000
        for mark in marks
    )
    page.close()
    return first, last


def _spread(took: list[float]) -> tuple[float, float]:
    return round(statistics.median(took), 1), round(float(np.quantile(took, 0.95)), 1)


def _write_case(root: Path, shape: Shape) -> PreparedSet:
    rng = np.random.default_rng(0)
    label = _organs(shape, 0)
    image = (0.4 + 0.05 * label + rng.normal(0, 0.03, shape)).clip(0, 1).astype(np.float16)
    volume = PreparedVolume(
        image=image, label=label, native_label=label[:8], annotated=tuple(range(1, 9)),
        organs=PAPER_ORGANS,
        placement=Placement(axis_order(np.eye(4)), shape, SPACING_MM, whole_box(shape)),
        spacing_mm=SPACING_MM,
    )  # fmt: skip
    (root / "volumes").mkdir(parents=True)
    facts = write_entry(root / "volumes", "0" * 16, volume).for_record()
    case = PreparedCase(case_id=CASE, patient_id=CASE, source="made up", key="0" * 16, **facts)
    config = PreparationConfig(grid_dhw=shape)
    return PreparedSet(
        root=root, name="made up", kind="phantom", fingerprint=DATA, config=config, cases=(case,)
    )


def _organs(shape: Shape, shift: int) -> np.ndarray:
    """Return eight ellipsoids with rough surfaces, so that outlines are as long as real ones."""
    rng = np.random.default_rng(shift)
    d, h, w = np.ogrid[tuple(slice(n) for n in shape)]
    label = np.zeros(shape, np.uint8)
    for value in range(1, len(PAPER_ORGANS) + 1):
        centre = [
            n * (0.3 + 0.4 * part) + shift for n, part in zip(shape, place_of(value), strict=True)
        ]
        radii = [n * 0.13 for n in shape]
        far = sum(((x - c) / r) ** 2 for x, c, r in zip((d, h, w), centre, radii, strict=True))
        rough = rng.normal(0, 0.06, shape[1:]).astype(np.float32)
        label[far + rough < 1] = value
    return label


def place_of(value: int) -> np.ndarray:
    """Return where an organ lies, as fractions of the grid."""
    return np.random.default_rng([value]).uniform(size=3)


def _write_study(store: Path, prepared: PreparedSet) -> tuple[str, str]:
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("voxsiam", artifact_location=f"{store}/artifacts")
    tags = {"kind": "study", "study": "made-up", "study_id": "made-up", "data": DATA}
    parent = client.create_run(experiment, tags=_prefixed(tags)).info.run_id
    scores = [OrganScore(CASE, organ, 0.5, 2, 1, 3, 2, 1, 1, False) for organ in PAPER_ORGANS]
    for number, row in enumerate(ROWS):
        folder = store / row
        folder.mkdir()
        write_scores(folder, scores)
        labels = PackedLabels.of(_organs(prepared.cases[0].shape, 4 + number))
        write_predictions(folder / PREDICTIONS, {CASE: labels})
        trial = _prefixed({"kind": "trial", "row": row, "seed": "0"})
        run = client.create_run(experiment, tags=trial | {"mlflow.parentRunId": parent})
        client.log_artifacts(run.info.run_id, str(folder), "test")
        client.log_batch(run.info.run_id, [Metric("test/dsc", 0.5, 0, 1)])
        client.set_terminated(run.info.run_id)
    client.set_terminated(parent)
    return uri, parent


def _prefixed(tags: dict[str, str]) -> dict[str, str]:
    return {f"voxsiam.{name}": value for name, value in tags.items()}


if __name__ == "__main__":
    main()
