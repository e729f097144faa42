"""voxsiam models: the networks, and how many parameters they have."""

from typing import Any

from rich.table import Table

from voxsiam.models.network_config import PAPER_WIDTH, NetworkConfig
from voxsiam_cli.console import console, print_json, say
from voxsiam_cli.options import AsJson

COLUMNS = {
    "name": "network",
    "width": "width",
    "feature_channels": "encoder channels",
    "parameters": "parameters",
    "as_paper": "by Table II's rule",
    "as_paper_2_outputs": "with 2 outputs",
    "printed": "Table II prints",
}
FOOTNOTE = """\
Each network at the width of the paper, with 9 outputs (background and 8 organs), as it is trained;
encoder channels from the deepest level to the finest, the order of the feature loss's layers.
Table II's figures fit the rule of the counting tool thop: convolutions and batch normalisation
count, group normalisation does not. They fit best with 2 outputs, where all four round to the
printed figure; with 9 the 3D U-Net rounds to 16.314M. The difference is the last convolution's."""


def models(as_json: AsJson = False) -> None:
    """List the networks with their parameters, counted here and printed in Table II."""
    rows = _rows()
    if as_json:
        print_json(rows)
        return
    table = Table()
    for name, title in COLUMNS.items():
        table.add_column(title, justify="left" if name == "name" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(_shown(row[name]) for name in COLUMNS))
    console.print(table)
    say(FOOTNOTE)


def _rows() -> list[dict[str, Any]]:
    import torch

    from voxsiam.models.catalogue import NETWORKS
    from voxsiam.models.network import count_parameters, count_parameters_as_paper

    rows: list[dict[str, Any]] = []
    with torch.device("meta"):  # neither memory nor random numbers: only shapes are asked for
        for name, entry in NETWORKS.items():
            config = NetworkConfig(name=name, width=PAPER_WIDTH[name])
            network = entry.build(config)
            two_outputs = entry.build(config.model_copy(update={"num_classes": 2}))
            rows.append(
                {
                    "name": name,
                    "title": entry.title,
                    "width": config.width,
                    "outputs": config.num_classes,
                    "encoder_levels": len(network.feature_channels),
                    "feature_channels": network.feature_channels,
                    "feature_strides": network.feature_strides,
                    "parameters": count_parameters(network),
                    "as_paper": count_parameters_as_paper(network),
                    "as_paper_2_outputs": count_parameters_as_paper(two_outputs),
                    "printed": entry.printed_parameters,
                }
            )
    return rows


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
