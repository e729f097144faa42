"""Charts and pictures: one function that returns each."""
