"""What a study left, as MLflow and its files hold it; nothing is drawn."""
