"""Fields of a recipe that cannot be varied: data decide them, or another field makes them idle."""

from collections.abc import Callable

from voxsiam.training.recipe import Recipe


def idle(recipe: Recipe, path: str) -> str:
    """Say why a field of a recipe makes no difference in it; empty where it does."""
    found = (why for prefix, is_idle, why in _IDLE if _within(path, prefix) and is_idle(recipe))
    return next(found, "")


def _within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def _loss(recipe: Recipe, *names: str) -> object:
    """Read a field below the feature loss; None where the recipe has none."""
    found: object = recipe.feature_loss
    for name in names:
        found = getattr(found, name, None)
    return found


_LOSS, _SAMPLING, _RELATION = (
    "feature_loss",
    "feature_loss.sampling",
    "feature_loss.relation",
)
_NOT_WEIGHTED = "feature_loss.relation.class_weights counts nothing"

_IDLE: tuple[tuple[str, Callable[[Recipe], bool], str], ...] = (
    ("network.num_classes", lambda _: True, "the classes are those of the data"),
    *(
        (f"{_LOSS}.{name}", lambda r: _loss(r, "weight") == 0, "feature_loss.weight is 0")
        for name in ("layers", "layer_weights", "warm_up_epochs", "include_background",
                     "coarse_labels", "purity", "sampling", "relation")
    ),
    (
        f"{_LOSS}.weight",
        lambda r: r.feature_loss is not None and r.feature_loss.warm_up_epochs >= r.epochs,
        "feature_loss.warm_up_epochs lasts for the whole training",
    ),
    (
        f"{_SAMPLING}.max_voxels",
        lambda r: _loss(r, "sampling", "plan") == "every_voxel",
        "feature_loss.sampling.plan takes every voxel",
    ),
    *(
        (
            f"{_SAMPLING}.{name}",
            lambda r: _loss(r, "sampling", "plan") != "false_negatives_first",
            "feature_loss.sampling.plan does not prefer false negatives",
        )
        for name in ("max_false_negatives", "false_negatives_of")
    ),
    *(
        (
            f"{_RELATION}.{name}",
            lambda r: _loss(r, "relation", "class_weights") != "inverse_frequency",
            _NOT_WEIGHTED,
        )
        for name in ("weights_counted_on", "weights_counted_over")
    ),
    (
        f"{_RELATION}.weights_counted_over",
        lambda r: _loss(r, "relation", "cross_layer") is True,
        "feature_loss.relation.cross_layer counts over all layers",
    ),
    *(
        (
            f"augmentation.{name}",
            lambda r: r.augmentation is not None and r.augmentation.probability == 0,
            "augmentation.probability is 0",
        )
        for name in ("rotations_degrees", "zoom")
    ),
)  # fmt: skip
"""Path, when it is idle, and why."""
