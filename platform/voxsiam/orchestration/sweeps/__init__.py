"""A search: its space, its ledger, and its trials under Tune and Optuna."""
