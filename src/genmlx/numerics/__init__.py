"""Layer 1: arrays, keys, records, special functions, samplers. Knows MLX; knows no probability."""
