"""MLflow: write runs, find runs."""
