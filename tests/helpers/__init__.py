"""What the tests share: keys, tolerances, the registry of generative functions."""
