"""Layer 6: inference. Everything here uses a model through the generative function interface only."""
