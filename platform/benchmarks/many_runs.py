"""A study of a thousand runs of 300 cases: its report, its verification, its page, an open tab.

Run: .venv/bin/python platform/benchmarks/many_runs.py --runs 3 100 300 1000 [--store FOLDER]

Makes the studies first (minutes; --store keeps them for the next time). Printed are
CPU seconds, of all processes of a command, so that other work on the machine matters little. What
a report holds above its imports is its memory less that at the smallest size.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from dash import Dash
from mlflow.tracking import MlflowClient
from study_store import FIGURES, write_prepared, write_study

from voxsiam.orchestration.studies.ledger import find_ledgers
from voxsiam.orchestration.workspace import Workspace
from voxsiam_dashboards.browser.app import create_app
from voxsiam_dashboards.browser.cached_store import FRESH_S, CachedStore
from voxsiam_data.prepared.prepared_set import RECORD, open_prepared

HOST = "127.0.0.1:8050"
TICKS = 5


def make_stores(folder: Path, sizes: list[int], cases: int, epochs: int) -> None:
    """Write the studies that are not there yet, each in a workspace of its own."""
    root = folder / "prepared"
    prepared = open_prepared(root) if (root / RECORD).exists() else write_prepared(root, cases)
    for runs in sizes:
        if not (folder / str(runs) / "mlflow.db").exists():
            write_study(Workspace(folder / str(runs)), prepared, folder / "sets", runs, epochs)
            print(f"a study of {runs} runs is written", flush=True)


def measure(folder: Path, *, full: bool) -> None:
    """Measure one study: commands in processes of their own, then a dashboard in another.

    Args:
        full: Score every case again, too.
    """
    ledger = find_ledgers(Workspace(folder))[0]
    runs, cases = len(ledger.plan.trials), len(ledger.plan.trials[0].run.split.test)
    print(f"{runs} runs of {cases} cases")
    report = command_s("report", "study", "report", "table3", "-w", str(folder))
    quick = command_s("verify --quick", "study", "verify", "table3", "--quick", "-w", str(folder))
    print(f"  verify --quick: {quick / report:.2f} times the report")
    if full:
        took = command_s("verify", "study", "verify", "table3", "-w", str(folder))
        print(f"  verify, above the quick one: {(took - quick) / runs / cases:.4f} CPU s a case")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(measure_page, folder).result()


def command_s(title: str, *arguments: str) -> float:
    """Run a command; print and return its CPU seconds, its children's among them."""
    command = [sys.executable, "-m", "voxsiam_cli", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    start = time.perf_counter()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    spent = used.ru_utime + used.ru_stime
    print(
        f"  {title}: {spent:.1f} CPU s, {time.perf_counter() - start:.1f} s, "
        f"peak {used.ru_maxrss / 1024:.0f} MiB",
        flush=True,
    )
    return spent


class Tab:
    """A browser's tab on a study's page, without the browser: it asks what the page asks."""

    def __init__(self, app: Dash, path: str) -> None:
        self._client, self._path = app.server.test_client(), path
        self._mark: str | None = None
        self._seen: str | None = None
        self._callbacks = self._client.get("/_dash-dependencies", headers={"Host": HOST}).json
        self._ticks = 0

    def open(self) -> None:
        """Ask for the page."""
        told = self._ask(next(c for c in self._callbacks if "drawn.data" in c["output"]))
        self._mark = told["drawn"]["data"]

    def rest(self) -> None:
        """Ask for what the page leaves for later."""
        self._ask(next(c for c in self._callbacks if "study-part.children" in c["output"]))

    def tick(self) -> None:
        """Ask what is new."""
        self._ticks += 1
        for callback in self._callbacks:
            if any(each["id"] == "tick" for each in callback["inputs"]):
                told = self._ask(callback)
                self._seen = told.get("seen", {}).get("data", self._seen)

    def _ask(self, callback: dict[str, Any]) -> dict[str, Any]:
        values = {
            "address.pathname": self._path, "address.search": "", "again.data": None,
            "drawn.data": self._mark, "seen.data": self._seen, "tick.n_intervals": self._ticks,
            "study-address.data": self._path,
        }  # fmt: skip

        def filled(parts: list[dict[str, str]]) -> list[dict[str, Any]]:
            return [{**part, "value": values[f"{part['id']}.{part['property']}"]} for part in parts]

        output = callback["output"]
        named = output.strip(".").split("...") if output.startswith("..") else [output]
        outputs = [dict(zip(("id", "property"), name.split("."), strict=True)) for name in named]
        inputs = filled(callback["inputs"])
        answer = self._client.post(
            "/_dash-update-component",
            headers={"Host": HOST},
            json={
                "output": output,
                "outputs": outputs if output.startswith("..") else outputs[0],
                "inputs": inputs,
                "changedPropIds": [f"{inputs[0]['id']}.{inputs[0]['property']}"],
                "state": filled(callback.get("state", [])),
            },
        )
        if answer.status_code not in (200, 204):
            raise RuntimeError(f"{output}: {answer.status}")
        return answer.json["response"] if answer.status_code == 200 else {}


def measure_page(folder: Path) -> None:
    """Open a study's page in a new dashboard, then let a tab of it be open while it runs."""
    workspace = Workspace(folder)
    uri = workspace.tracking_uri
    store = CachedStore(uri, workspace.cache / "figures", "http://127.0.0.1:5000")
    (entry,) = CachedStore(uri, workspace.cache, "http://127.0.0.1:5000").studies()
    client = MlflowClient(uri)
    (running,) = client.search_runs(
        [entry.experiment_id], f"tags.`mlflow.parentRunId` = '{entry.run_id}'", max_results=1
    )
    for run_id in (entry.run_id, running.info.run_id):
        client.update_run(run_id, status="RUNNING")
    try:
        tab = Tab(create_app(store, (HOST,)), f"/study/{entry.run_id}")
        spent_s("cold page", tab.open)
        spent_s("the rest of it", tab.rest)
        ticks = [_tick_s(tab) for _ in range(TICKS)]
        print(f"  tick, nothing new: {sorted(ticks)[TICKS // 2]:.3f} CPU s")
        ticks = []
        for step in range(TICKS):
            client.log_metric(running.info.run_id, "train/loss", 0.5, step=1000 + step)
            ticks.append(_tick_s(tab))
        print(f"  tick, one epoch more: {sorted(ticks)[TICKS // 2]:.3f} CPU s", flush=True)
    finally:
        for run_id in (entry.run_id, running.info.run_id):
            client.set_terminated(run_id, "FINISHED")


def _tick_s(tab: Tab) -> float:
    # Else the store would not be asked.
    time.sleep(1.05 * FRESH_S)
    start = time.process_time()
    tab.tick()
    return time.process_time() - start


def spent_s(title: str, work: Any) -> None:  # noqa: ANN401
    """Print what a step of the dashboard takes."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    took, spent = time.perf_counter() - start, time.process_time() - cpu
    print(f"  {title}: {spent:.2f} CPU s, {took:.2f} s", flush=True)


def main() -> None:
    """Make the studies where there are none, and measure each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[3, 100, 300, 1000])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=10, help=f"of {FIGURES} figures each")
    parser.add_argument("--store", type=Path, help="folder of the studies, kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = asked.store or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        make_stores(folder, asked.runs, asked.cases, asked.epochs)
        for runs in asked.runs:
            # Of each case this takes as long whatever the number of runs.
            measure(folder / str(runs), full=runs == min(asked.runs))


if __name__ == "__main__":
    main()
