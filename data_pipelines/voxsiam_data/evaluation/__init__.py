"""Label maps of any tool against references: which are there, what they mean, scores."""
