"""voxsiam models: the networks, and how many parameters they have."""

from typing import Any

from rich.table import Table

from voxsiam_cli.console import console, print_json
from voxsiam_cli.options import AsJson


def models(as_json: AsJson = False) -> None:
    """List the networks with their parameters, counted here and printed in Table II."""
    rows = _rows()
    if as_json:
        print_json(rows)
        return
    table = Table("network", "all parameters", "as Table II counts", "Table II prints")
    for row in rows:
        table.add_row(row["name"], f"{row['parameters']:,}", f"{row['as_paper']:,}", row["printed"])
    console.print(table)
    console.print("Table II leaves group normalisation out (docs/paper_map.md).", markup=False)


def _rows() -> list[dict[str, Any]]:
    from voxsiam.models.catalogue import NETWORKS
    from voxsiam.models.network import count_parameters, count_parameters_as_paper
    from voxsiam.training.config import NetworkConfig

    rows: list[dict[str, Any]] = []
    for name, entry in NETWORKS.items():
        default = NetworkConfig()
        network = entry.build(default.width, default.num_classes)
        rows.append(
            {
                "name": name,
                "title": entry.title,
                "parameters": count_parameters(network),
                "as_paper": count_parameters_as_paper(network),
                "printed": entry.printed_parameters,
            }
        )
    return rows
