"""The voxel-level feature layer: the two heads of SimSiam on sampled voxel features.

"The voxel-level feature layer consists of two MLP heads, projection and prediction", with "the
dimensions of all hidden layers set to 64" (sections III-B, IV-B), after Chen & He 2021.
"""

from jaxtyping import Float
from torch import Tensor, nn

from voxsiam.models.global_batch_norm import GlobalBatchNorm


class VoxelHeads(nn.Module):
    """p = pred(proj(f)) and z = proj(f) for the voxels of one encoder level.

    Projection: [Linear, norm, ReLU] twice, then Linear and norm without scale and shift.
    Prediction: Linear, norm, ReLU, Linear with bias. No other Linear has a bias.
    """

    def __init__(self, in_channels: int, hidden_dim: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            *_hidden_layer(in_channels, hidden_dim),
            *_hidden_layer(hidden_dim, hidden_dim),
            nn.Linear(hidden_dim, hidden_dim, bias=False),
            GlobalBatchNorm(hidden_dim, affine=False),
        )
        self.prediction = nn.Sequential(
            *_hidden_layer(hidden_dim, hidden_dim), nn.Linear(hidden_dim, hidden_dim)
        )

    def forward(
        self, features: Float[Tensor, "n c"]
    ) -> tuple[Float[Tensor, "n f"], Float[Tensor, "n f"]]:
        """Return p and z; the loss holds z constant."""
        projected = self.projection(features)
        return self.prediction(projected), projected


def _hidden_layer(in_features: int, out_features: int) -> tuple[nn.Module, ...]:
    linear = nn.Linear(in_features, out_features, bias=False)
    return linear, GlobalBatchNorm(out_features), nn.ReLU()
