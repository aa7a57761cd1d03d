"""Layer 4: addresses, choice maps, selections, traces, and the generative function interface."""
