"""The whole set as real processes, load on it, and what its users see while parts of it are away."""
