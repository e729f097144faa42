"""A folder of energy counters as Linux shows them."""

RANGE_J = 1000.0


def write_zone(powercap, folder, name, joules):
    zone = powercap / folder
    zone.mkdir(exist_ok=True)
    values = {
        "name": name,
        "energy_uj": round(joules * 1e6),
        "max_energy_range_uj": round(RANGE_J * 1e6),
    }
    for file, value in values.items():
        (zone / file).write_text(f"{value}\n")
