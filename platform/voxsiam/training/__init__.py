"""Training in plain PyTorch: no Ray, no MLflow."""
