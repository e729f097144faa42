"""What figures allow to be said: intervals, tests, their families, first places."""
