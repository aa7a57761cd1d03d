"""Layer 5: `@gen`, models as Python functions."""
