"""Feature vectors brought onto a plane, each set once: what was found is kept in a cache."""

import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from voxsiam.durable_files import write_text_atomically
from voxsiam.small_files import LARGE, read_json

Vectors = Float32[np.ndarray, "n c"]
Points = Float32[np.ndarray, "n 2"]

FEWEST_VECTORS = 8
_SEED = 0
_NEIGHBOURS = 30


def embed(method: str, vectors: Vectors, cache: Path) -> Points | None:
    """Place vectors on a plane so that those of a like direction lie together.

    Args:
        vectors: One a row.
        cache: Folder for what is computed; equal vectors are placed once.

    Returns:
        None where there are too few vectors, or all are alike.
    """
    if len(vectors) < FEWEST_VECTORS or np.ptp(vectors, axis=0).max() == 0:
        return None
    content = hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()
    kept = cache / f"{method.lower()}-{vectors.shape[1]}-{content[:32]}.json"
    points = _read(kept, len(vectors))
    if points is None:
        points = METHODS[method](vectors).astype(np.float32).round(3)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(kept, json.dumps(points.astype(float).round(3).tolist()))
    return points


def _read(path: Path, count: int) -> Points | None:
    try:
        points = np.asarray(read_json(path, LARGE), dtype=np.float32)
    except (OSError, ValueError, TypeError):
        return None
    return points if points.shape == (count, 2) and np.isfinite(points).all() else None


def _tsne(vectors: Vectors) -> Points:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(_NEIGHBOURS, (len(vectors) - 1) / 3)
    plane = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=_SEED)
    # On a busy machine threads that wait for each other take twenty times as long.
    with threadpool_limits(1):
        return plane.fit_transform(vectors)


def _umap(vectors: Vectors) -> Points:
    from umap import UMAP  # pyright: ignore[reportMissingImports]

    neighbours = min(_NEIGHBOURS, len(vectors) - 1)
    plane = UMAP(metric="cosine", n_neighbors=neighbours, random_state=_SEED, n_jobs=1)
    return plane.fit_transform(vectors)


METHODS: dict[str, Callable[[Vectors], Points]] = {"t-SNE": _tsne}
if importlib.util.find_spec("umap") is not None:
    METHODS["UMAP"] = _umap
