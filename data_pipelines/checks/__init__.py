"""What ruins studies, found before a GPU hour is spent: one module a noun."""
