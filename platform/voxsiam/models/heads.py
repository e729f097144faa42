"""The voxel-level feature layer: MLP heads on sampled voxel features.

"The voxel-level feature layer consists of two MLP heads, projection and prediction", with "the
dimensions of all hidden layers set to 64" (sections III-B, IV-B), after Chen & He 2021.
"""

from jaxtyping import Float
from torch import Tensor, nn

from voxsiam.models.global_batch_norm import GlobalBatchNorm


class SimSiamHeads(nn.Module):
    """p = pred(proj(f)) and z = proj(f) for the voxels of one encoder level.

    Projection: [Linear, norm, ReLU] twice, then Linear and norm without scale and shift.
    Prediction: Linear, norm, ReLU, Linear with bias. No other Linear has a bias.

    Args:
        hidden_dim: Width of the projection's hidden layers.
        output_dim: Length of p and z.
        prediction_dim: Width of the prediction's hidden layer.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_dim: int,
        *,
        output_dim: int | None = None,
        prediction_dim: int | None = None,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        out = output_dim or hidden_dim
        last_norm = [GlobalBatchNorm(out, affine=False)] if normalise else []
        self.projection = nn.Sequential(
            *_hidden_layer(in_channels, hidden_dim, normalise=normalise),
            *_hidden_layer(hidden_dim, hidden_dim, normalise=normalise),
            nn.Linear(hidden_dim, out, bias=False),
            *last_norm,
        )
        inside = prediction_dim or hidden_dim
        self.prediction = nn.Sequential(
            *_hidden_layer(out, inside, normalise=normalise), nn.Linear(inside, out)
        )

    def forward(
        self, features: Float[Tensor, "n c"]
    ) -> tuple[Float[Tensor, "n f"], Float[Tensor, "n f"]]:
        """Return p and z; the loss holds z constant."""
        projected = self.projection(features)
        return self.prediction(projected), projected


class ContrastiveHead(nn.Module):
    """The embedding of the supervised contrastive baseline: Linear, norm, ReLU, Linear."""

    def __init__(
        self, in_channels: int, hidden_dim: int, output_dim: int, *, normalise: bool = True
    ) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            *_hidden_layer(in_channels, hidden_dim, normalise=normalise),
            nn.Linear(hidden_dim, output_dim),
        )

    def forward(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n f"]:
        """Return the embeddings, not yet of unit length."""
        return self.projection(features)


def _hidden_layer(in_features: int, out_features: int, *, normalise: bool) -> tuple[nn.Module, ...]:
    linear = nn.Linear(in_features, out_features, bias=not normalise)
    norm = (GlobalBatchNorm(out_features),) if normalise else ()
    return linear, *norm, nn.ReLU()
