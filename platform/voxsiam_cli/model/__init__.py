"""voxsiam predict, evaluate and models: one network and what it finds."""
