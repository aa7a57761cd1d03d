"""Layer 7: traces, choice maps and results in files."""

from genmlx.io.files import load, save

__all__ = ["load", "save"]
