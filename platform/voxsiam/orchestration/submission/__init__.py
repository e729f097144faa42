"""Commands as jobs of a Ray cluster, and the code that travels with them."""
