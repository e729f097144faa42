"""voxsiam study, train and demo: tables and single systems."""
