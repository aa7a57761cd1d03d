"""From a Python function over MLX arrays to a region.

`genmlx.compiler.capture.graph` asks MLX for the graph of a function; `primitives` says what MLX's primitives are in
the IR; `markers` carries operations that MLX does not have (loops, above all) through MLX's graph; `closures` finds the
arrays that a loop body takes from the functions around it.
"""

from genmlx.compiler.capture.closures import lifted
from genmlx.compiler.capture.graph import Captured, CaptureError, UnsupportedPrimitive, capture
from genmlx.compiler.capture.markers import is_capturing, record, type_of, widened

__all__ = [
    "CaptureError",
    "Captured",
    "UnsupportedPrimitive",
    "capture",
    "is_capturing",
    "lifted",
    "record",
    "type_of",
    "widened",
]
