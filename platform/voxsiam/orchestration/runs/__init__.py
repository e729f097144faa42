"""One run: its plan, its execution on one process or as one rank, and the files that it leaves."""
