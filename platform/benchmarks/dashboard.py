"""The dashboard over 10,000 runs: its list of studies against the search that it needs.

Run: .venv/bin/python platform/benchmarks/dashboard.py --studies 500 --trials 19 --metrics 50
Makes a store by MLflow's own client first (minutes; --store keeps it for the next time). Needs
Chromium.
"""

import argparse
import gc
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import psutil
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient
from pairs import show, time_in_turn
from playwright.sync_api import Page, expect, sync_playwright

from voxsiam.orchestration.tracking.names import EXPERIMENT
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam_dashboards.store.study_list import list_studies

ROUNDS = 7
ROWS = ("feature (1)", "feature (2)", "feature (3)")


def make_store(folder: Path, studies: int, trials: int, metrics: int) -> None:
    """Write studies of so many trials, each with so many figures, as tracking leaves them."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment(EXPERIMENT, artifact_location=f"{folder}/artifacts")
    for number in range(studies):
        study_id = f"table3-mini-{number:08x}"
        told = {"kind": "study", "study": "table3", "preset": "mini", "study_id": study_id}
        told |= {"data": "d" * 16, "data_name": "phantom-30", "trials": str(trials)}
        parent = _run(client, experiment, study_id, told, {"trials/finished": float(trials)})
        for trial in range(trials):
            row, seed = ROWS[trial % 3], trial // 3
            told = {"kind": "trial", "study": "table3", "row": row, "seed": str(seed)}
            figures = {f"train/figure_{n}": 0.5 for n in range(metrics - 5)}
            figures |= {"train/loss": 1.0, "validation/dsc": 0.6, "seconds/epoch": 2.0}
            figures |= {"epoch": 30.0, "test/dsc": 0.6 + 0.001 * trial}
            _run(client, experiment, f"{row} s{seed}", told, figures, parent)
        if number % 20 == 19:
            print(f"{number + 1} of {studies} studies written", flush=True)


def _run(
    client: MlflowClient, experiment: str, name: str, told: dict[str, str],
    figures: dict[str, float], parent: str = "",
) -> str:  # fmt: skip
    tags = {f"voxsiam.{key}": value for key, value in told.items()}
    tags |= {"mlflow.parentRunId": parent} if parent else {}
    run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    points = [Metric(key, value, 0, 30) for key, value in figures.items()]
    client.log_batch(run, metrics=points, params=[Param("epochs", "30")], tags=list[RunTag]())
    client.set_terminated(run)
    return run


def measure(folder: Path) -> None:
    """Time the list of studies, then the page in a browser."""
    uri = f"sqlite:///{folder}/mlflow.db"
    client, reader = MlflowClient(uri), RunReader(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        raise RuntimeError(f"{folder} holds no experiment")

    def bare() -> None:
        for kind in ("study", "sweep"):
            token = None
            while True:
                page = client.search_runs(
                    [experiment.experiment_id], f"tags.`voxsiam.kind` = '{kind}'",
                    max_results=500, page_token=token,
                )  # fmt: skip
                token = page.token
                if not token:
                    break

    # Else the collector walks through all of torch in the middle of the same one of both, always.
    gc.collect()
    gc.freeze()
    show("list of studies against MLflow's search",
         time_in_turn(bare, lambda: list_studies(reader), ROUNDS))  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voxsiam_cli", "dashboard", "-w", str(folder)]
    server = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None  # noqa: S101  # for the type checker
        link = next(line for line in server.stdout if "token=" in line).split()[1]
        in_browser(link, len(list_studies(reader)))
        memory = psutil.Process(server.pid).memory_info().rss / 2**20
        print(f"memory of the server: {memory:.0f} MiB")
    finally:
        server.terminate()
        server.wait()


def in_browser(address: str, studies: int) -> None:
    """Open the list, filter it, and change to a study and back, as a reader does."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--use-angle=swiftshader"]
        )
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        first_row = page.locator(".ag-row a").first
        _tell("open the list", lambda: (page.goto(address), first_row.wait_for()))
        number = cycle(range(studies))
        _tell("filter", lambda: _filter(page, f"{next(number):08x}"))
        page.goto(address)
        first_row.wait_for()

        def to_study() -> None:
            page.locator(".ag-row a").nth(next(number) % min(12, studies)).click()
            page.get_by_text("Ours beside the paper's").wait_for()

        def back() -> None:
            page.get_by_role("link", name="Studies", exact=True).click()
            first_row.wait_for()

        changes = [(_seconds(to_study), _seconds(back)) for _ in range(ROUNDS)]
        for title, times in zip(
            ("to a study", "to the list"), zip(*changes, strict=True), strict=True
        ):
            print(
                f"{title}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
            )
        browser.close()


def _filter(page: Page, text: str) -> None:
    page.locator(".ag-floating-filter-input input").first.fill(text)
    page.locator(f".ag-row a:has-text('{text}')").wait_for()
    expect(page.locator(".ag-row a")).to_have_count(1)


def _tell(title: str, work: Callable[[], object]) -> None:
    times = [_seconds(work) for _ in range(ROUNDS)]
    print(f"{title}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Make the store where there is none, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--trials", type=int, default=19)
    parser.add_argument("--metrics", type=int, default=50)
    parser.add_argument("--store", type=Path, help="folder of the store, kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = asked.store or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "mlflow.db").exists():
            make_store(folder, asked.studies, asked.trials, asked.metrics)
        measure(folder)


if __name__ == "__main__":
    main()
