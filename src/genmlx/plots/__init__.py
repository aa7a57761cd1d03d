"""Layer 7: figures of results. They need ``pip install 'genmlx[plots]'``."""

from genmlx.plots.chains import trace_density

__all__ = ["trace_density"]
