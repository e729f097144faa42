"""voxsiam tracking and ui: MLflow, served."""
