"""What is searched: the settings that the paper fixes without saying how it found them.

Run:     voxsiam sweep run lambda --preset paper --data PREPARED --trials 30    (GPUs)
Try:     voxsiam sweep run all --preset mini --trials 8                         (phantoms)
Printed: lambda 100 (one layer) and 10 (three), 1700 and 1000 voxels, 64 channels (section IV-B)

Every trial is scored on inner validation cases; the winner is trained on all training cases and
tested once, beside the settings as the paper prints them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from voxsiam.orchestration.sweeps.plan import Objective, Sampler
from voxsiam.orchestration.sweeps.space import Setting
from voxsiam.training.recipe import Recipe
from voxsiam.types import Frozen
from voxsiam_experiments.recipes import voxel_simsiam

LAMBDA = Setting(name="lambda", path="feature_loss.weight", low=0.01, high=1000.0, log=True)
LAYERS = Setting(name="layers", path="feature_loss.layers", choices=(1, 2, 3, 4))
VOXELS = Setting(
    name="voxels",
    path="feature_loss.sampling.max_voxels",
    low=100,
    high=13600,
    log=True,
    scales_with_grid=True,
)
FALSE_NEGATIVES = Setting(
    name="false negatives",
    path="feature_loss.sampling.max_false_negatives",
    low=0.0,
    high=1.0,
    share_of="feature_loss.sampling.max_voxels",
)
HEAD_DIMENSION = Setting(
    name="head dimension", path="feature_loss.relation.hidden_dim", choices=(16, 32, 64, 128, 256)
)


class Sweep(Frozen):
    """A search.

    Attributes:
        name: On the command line, and of its folders.
        recipe: What they are varied in; its own values are the first trial.
        file: Name of the file that declares it; empty for those that come with the program.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$")]
    title: str
    settings: Annotated[tuple[Setting, ...], Field(min_length=1)]
    recipe: Recipe = Field(default_factory=voxel_simsiam)
    file: str = ""

    @model_validator(mode="after")
    def _settings_differ(self) -> "Sweep":
        for what in ("name", "path"):
            named = [getattr(setting, what) for setting in self.settings]
            twice = next((each for each in named if named.count(each) > 1), None)
            if twice is not None:
                raise ValueError(f"two settings are called '{twice}'")
        return self


@dataclass(frozen=True, kw_only=True)
class Search:
    """How to search.

    Attributes:
        objectives: The first decides which trial wins.
        seeds: Trainings of each trial.
        stop_early: Whether trials that fall behind are stopped.
    """

    objectives: tuple[Objective, ...] = ("dsc",)
    seeds: int = 1
    sampler: Sampler = "tpe"
    stop_early: bool = True


SWEEPS: Mapping[str, Sweep] = {
    sweep.name: sweep
    for sweep in (
        Sweep(name="lambda", title="How much should the feature loss weigh?", settings=(LAMBDA,)),
        Sweep(
            name="layers",
            title="How many encoder layers, and with which weight?",
            settings=(LAYERS, LAMBDA),
        ),
        Sweep(
            name="samples",
            title="How many voxels a layer, and how many of them false negatives?",
            settings=(VOXELS, FALSE_NEGATIVES),
        ),
        Sweep(
            name="head-dimension",
            title="How wide should the heads be?",
            settings=(HEAD_DIMENSION,),
        ),
        Sweep(
            name="all",
            title="Which settings together?",
            settings=(LAMBDA, LAYERS, VOXELS, FALSE_NEGATIVES, HEAD_DIMENSION),
        ),
    )
}
