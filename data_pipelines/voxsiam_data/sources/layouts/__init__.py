"""How data sets lie on disk: one layout a file."""
