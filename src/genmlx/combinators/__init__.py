"""Layer 5: combinators, generative functions made from others."""
