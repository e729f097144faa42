"""A study as tracking leaves it, in a real MLflow store: small cases, scored for real."""

import csv
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from voxsiam.inference.voxel_features import LevelFeatures
from voxsiam.losses.config import FeatureLossConfig
from voxsiam.metrics.case_scores import NativePair, score_case, summarise
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.orchestration.runs.plan import split_fingerprint
from voxsiam.orchestration.runs.result_files import PackedLabels, write_features, write_predictions
from voxsiam.orchestration.studies.table import Printed, Row, Table
from voxsiam.training.recipe import Recipe
from voxsiam.types import PAPER_ORGANS, Split

EVIL = "=cmd|' /C'!A0 <script>alert(1)</script> 50% $x_1$ & {b}"
STUDY_ID = "table3-mini-20260101"
SHAPE = (24, 32, 32)
SPACING_MM = (5.0, 2.5, 2.5)
# Centre and radius of each organ as fractions of the grid, d h w: the liver on the patient's right
# (high w), spleen and left kidney on the left (low w), the kidney behind (low h).
PLACES = {
    "spleen": ((0.62, 0.38, 0.20), (0.15, 0.12, 0.09)),
    "left_kidney": ((0.38, 0.30, 0.28), (0.16, 0.09, 0.08)),
    "gallbladder": ((0.45, 0.68, 0.66), (0.09, 0.07, 0.06)),
    "esophagus": ((0.80, 0.38, 0.47), (0.18, 0.05, 0.05)),
    "liver": ((0.58, 0.55, 0.72), (0.22, 0.22, 0.17)),
    "stomach": ((0.62, 0.64, 0.36), (0.15, 0.12, 0.12)),
    "pancreas": ((0.46, 0.50, 0.47), (0.07, 0.06, 0.15)),
    "duodenum": ((0.38, 0.50, 0.58), (0.12, 0.07, 0.05)),
}


def make_row(label: str, layers: int, printed: Printed) -> Row:
    weight = 10.0 if layers > 1 else 100.0
    recipe = Recipe(feature_loss=FeatureLossConfig(layers=layers, weight=weight))
    return Row(label=label, recipe=recipe, printed=printed)


TABLE = Table(
    name="table3",
    number="III",
    title="What does each hidden layer add?",
    rows=(
        make_row("feature (1)", 1, Printed(dsc=0.793, hd95=3.210, assd=0.86)),
        make_row("feature (2)", 2, Printed(dsc=0.797, hd95=2.895, assd=0.761)),
        make_row("feature (3)", 3, Printed(dsc=0.806, hd95=2.461, assd=0.681)),
        make_row(EVIL, 3, Printed()),
    ),
    footnotes=("The loss covers the deepest layers of the encoder.",),
)
PLAN = {
    "preset": "mini",
    "workers": 2,
    "seeds": 2,
    "grid_hwd": [32, 32, 24],
    "cases": {"train": 20, "validation": 4, "test": 3},
    "data": {"name": "phantom-30", "kind": "phantom"},
    "notes": ["The limit of 1700 voxels was inactive: layer 1 has 1,024 voxels <b>."],
}


@dataclass(frozen=True)
class Planned:
    """A trial to write down, and how it ended."""

    row: str
    seed: int
    error: float
    status: str = "FINISHED"
    missed: tuple[str, ...] = ()
    train: tuple[str, ...] = ()

    @property
    def split(self) -> Split:
        return Split(train=self.train, validation=("v0",), test=("000", "001", "002"))


TRIALS = (
    Planned("feature (1)", 0, error=0.16, missed=("gallbladder",)),
    Planned("feature (1)", 1, error=0.20),
    Planned("feature (2)", 0, error=0.10),
    Planned("feature (2)", 1, error=0.10, status="RUNNING"),
    Planned(EVIL, 0, error=0.30, status="FAILED"),
)


SHARES = tuple(
    Planned(f"{method}, {share}", seed, error, train=tuple(f"c{n}" for n in range(count)))
    for method, gain in (("3D U-Net", 0.0), ("Ours", 0.1))
    for share, count, error in (("10%", 2, 0.4 - gain), ("60%", 6, 0.25 - gain))
    for seed in (0, 1)
)
"""Figure 7 at two shares; the smaller lies in the larger."""


def ellipsoids(shape, growth=1.0, shift=0.0, leave_out=()) -> np.ndarray:
    axes = np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij")
    label = np.zeros(shape, np.uint8)
    for organ, (centre, radius) in PLACES.items():
        terms = zip(axes, centre, radius, strict=True)
        inside = sum(((x - c - shift) / (growth * r)) ** 2 for x, c, r in terms) < 1
        if organ not in leave_out:
            label[inside] = PAPER_ORGANS.index(organ) + 1
    return label


def body_image(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    d, h, w = label.shape
    _, y, x = np.meshgrid(*((np.arange(n) + 0.5) / n for n in label.shape), indexing="ij")
    body = ((y - 0.5) / 0.42) ** 2 + ((x - 0.5) / 0.47) ** 2 < 1
    spine = ((y - 0.2) / 0.08) ** 2 + ((x - 0.5) / 0.08) ** 2 < 1
    grey = np.array([0.45, 0.75, 0.8, 0.5, 0.6, 0.72, 0.6, 0.65, 0.62])[label]
    image = np.where(spine, 0.95, grey) * body + rng.normal(0, 0.03, (d, h, w))
    return np.clip(image, 0, 1).astype(np.float16)


def open_client(folder: Path) -> tuple[MlflowClient, str]:
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    client.create_experiment("voxsiam", artifact_location=f"{folder}/artifacts")
    return client, uri


def write_study(
    client: MlflowClient,
    folder: Path,
    trials=TRIALS,
    shape=SHAPE,
    epochs=6,
    study="table3",
    study_id=STUDY_ID,
) -> str:
    """Write the study and its trials; returns the parent's run id."""
    experiment = client.get_experiment_by_name("voxsiam")
    assert experiment is not None
    tags = {"kind": "study", "study": study, "preset": "mini", "study_id": study_id}
    tags |= {"data": "d" * 16, "data_name": "phantom-30", "split": "s" * 16}
    parent = client.create_run(experiment.experiment_id, tags=prefixed(tags)).info.run_id
    log_json(client, parent, "study/plan.json", PLAN)
    for trial in trials:
        write_trial(client, folder, parent, trial, shape, epochs)
    client.set_terminated(parent, "FINISHED")
    return parent


def write_trial(client, folder, parent, trial, shape=SHAPE, epochs=6) -> str:
    recipe = next((row.recipe for row in TABLE.rows if row.label == trial.row), Recipe())
    tags = {"kind": "trial", "row": trial.row, "seed": str(trial.seed), "data": "d" * 16}
    tags |= {"run": f"run-{trial.seed}", "recipe": recipe.fingerprint(), "split": "s" * 16}
    run = client.create_run(
        client.get_run(parent).info.experiment_id,
        tags=prefixed(tags | {"method_version": "1"}) | {"mlflow.parentRunId": parent},
    ).info.run_id
    client.log_batch(run, curve_points(trial, epochs))
    if trial.train:
        log_json(client, run, "config/split.json", trial.split.model_dump(mode="json"))
        client.set_tag(run, "voxsiam.split", split_fingerprint(trial.split))
    log_json(client, run, "config/recipe.json", recipe.model_dump(mode="json"))
    if trial.status == "FINISHED":
        write_test_part(client, run, folder / run, trial, shape)
    if trial.status != "RUNNING":
        client.set_terminated(run, trial.status)
    return run


def curve_points(trial: Planned, epochs: int) -> list[Metric]:
    rng = np.random.default_rng(trial.seed)
    points = []
    for epoch in range(1, epochs + 1):
        progress = 1 - np.exp(-3 * epoch / epochs)
        loss = 7 - 6 * progress + rng.normal(0, 0.05)
        dsc = (1 - trial.error) * progress + rng.normal(0, 0.01)
        values = {"train/loss": loss, "validation/dsc": dsc, "learning_rate": 1e-3}
        values |= {"seconds/epoch": 60.0, "memory_mb/process": 500.0 + epoch}
        points += [Metric(k, float(v), 1000 * epoch, epoch) for k, v in values.items()]
    return points


def write_test_part(client, run, folder, trial, shape) -> None:
    rng = np.random.default_rng([trial.seed, 7])
    scores: list[OrganScore] = []
    predicted: dict[str, np.ndarray] = {}
    folder.mkdir()
    for number in range(3):
        case_id = f"00{number}"
        truth = ellipsoids(shape, growth=1 + 0.1 * number)
        growth = (1 + 0.1 * number) * (1 + trial.error * rng.uniform(0.5, 1.0))
        shift, leave_out = 0.1 * trial.error, trial.missed if number == 1 else ()
        guess = ellipsoids(shape, growth, shift, leave_out)
        predicted[case_id] = guess
        native = NativePair(guess, truth, SPACING_MM)
        scores += score_case(case_id, guess, truth, SPACING_MM, native)
        if number == 0:
            np.savez_compressed(
                folder / "overlay.npz",
                image=body_image(truth, rng),
                label=truth,
                prediction=guess,
                spacing_mm=np.array(SPACING_MM),
                case_id=np.array(case_id),
            )
    packed = {name: PackedLabels.of(labels) for name, labels in predicted.items()}
    write_predictions(folder / "predictions.npz", packed)
    write_features(folder, {f"00{n}": voxel_features(trial, n) for n in range(3)})
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(OrganScore)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)
    client.log_artifacts(run, str(folder), "test")
    final = summarise(scores)
    client.log_batch(run, [Metric(f"test/{k}", v, 9000, 6) for k, v in final.items()])


def voxel_features(trial: Planned, number: int) -> tuple[LevelFeatures, ...]:
    """Classes as clouds in directions of their own, wider where the trial errs more."""
    rng = np.random.default_rng([trial.seed, number])
    classes = np.repeat(np.arange(9, dtype=np.uint8), 3)
    levels = []
    for channels in (32, 16, 8):
        means = np.eye(9, channels)[classes]
        noise = 2 * trial.error * rng.normal(size=means.shape)
        cases = np.full(len(classes), number, np.int32)
        levels.append(LevelFeatures((means + noise).astype(np.float16), classes, cases))
    return tuple(levels)


def prefixed(tags: dict[str, str]) -> dict[str, str]:
    return {f"voxsiam.{name}": value for name, value in tags.items()}


def log_json(client: MlflowClient, run: str, name: str, value: dict) -> None:
    client.log_text(run, json.dumps(value), name)
