"""Label maps of any tool against references: what lies on each side, what it means, scores."""
