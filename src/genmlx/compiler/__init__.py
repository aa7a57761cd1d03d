"""The loop compiler: MLX graphs, with loops, to one native kernel. It knows no probability."""
