"""From a region to the source of one kernel.

The kernel is one C++ function with a fixed interface (`ENTRY`), which a runtime compiles, loads and calls. It runs a
range of lanes; without lanes it runs once. The text of a kernel depends on the region and the number of lanes in a
vector only, not on data nor on how many lanes there are, so that it can be found again in a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from genmlx.compiler.codegen import along_axis, arrays, linear_algebra, random_bits, sorting, structured, views
from genmlx.compiler.codegen.cstyle import SHORT
from genmlx.compiler.codegen.frame import Context, Frame, Target, copy
from genmlx.compiler.codegen.nest import print_nest
from genmlx.compiler.codegen.places import Kind, Place, Root, dense
from genmlx.compiler.codegen.schedule import Nest, schedule
from genmlx.compiler.codegen.uniformity import Uniformity
from genmlx.compiler.codegen.writer import Writer
from genmlx.compiler.ir.ops import ELEMENTWISE
from genmlx.compiler.ir.types import DTYPES, Op, Region, Type

__all__ = ["FLAGS", "PRINTERS", "Lanes", "Source", "generate"]

FLAGS = ("-fopenmp-simd", "-fno-tree-pre", "-fno-tree-slp-vectorize")
"""What a compiler needs beside the runtime's flags.

The first makes it heed `#pragma omp simd`, and needs no library. The others keep GCC from what costs more than it gives
here: taking comparisons apart into forms that it cannot vectorise afterwards, and gathering scalars into vectors.
"""

CONTROL = "struct genmlx_control { i32 stop; i32 error; i64 progress; };"

ENTRY = """\
extern "C" i32 {name}(const void* const* inputs, void* const* outputs, char* workspace, i64 lane_begin, i64 lane_end,
                      volatile genmlx_control* control)"""

# A mapped input of at most so many elements is brought into the order [element][lane] before everything else; a longer
# one is read where it lies, an element of each lane at a time.
TRANSPOSED_ELEMENTS = 1024

PRINTERS: dict[str, Callable[[Frame, Op], None]] = {
    **views.PRINTERS,
    **arrays.PRINTERS,
    **along_axis.PRINTERS,
    **sorting.PRINTERS,
    **linear_algebra.PRINTERS,
    **random_bits.PRINTERS,
    **structured.PRINTERS,
}
"""How each operation is printed that is not elementwise and not part of a nest."""


class Lanes(NamedTuple):
    """Many runs of a region at once.

    Attributes:
        mapped: for each parameter whether each lane has its own: then its array has one more axis, the first.
        width: how many lanes a vector has, a power of two; with 1 lanes run one after the other, each as a kernel
            without lanes would.
    """

    mapped: tuple[bool, ...]
    width: int


class Source(NamedTuple):
    """The source of a kernel.

    Attributes:
        text: C++ without includes.
        workspace_bytes: what one call needs; aligned to 64 bytes.
        inputs: the types of the parameters, those of one lane.
        outputs: the types of the results, those of one lane.
        lanes: which inputs are mapped, and the lanes of a vector; None for a kernel that runs once.
        functions: of the math library, that it calls.
    """

    text: str
    workspace_bytes: int
    inputs: tuple[Type, ...]
    outputs: tuple[Type, ...]
    lanes: Lanes | None
    functions: tuple[str, ...]


def generate(region: Region, *, lanes: Lanes | None = None, name: str = "genmlx_kernel") -> Source:
    """The kernel of a region.

    Args:
        region: what to compute. `gradient` operations are expanded before.
        lanes: run it for many lanes; None runs it once.
        name: the name of the function.

    >>> from genmlx.compiler.ir.graph import Builder, Type
    >>> b = Builder()
    >>> x = b.parameter(Type("float32", (8,)))
    >>> source = generate(b.finish(b("reduce", b("square", x), kind="sum", axes=(0,))))
    >>> "const f32 t0 = x0 * x0;  // square" in source.text, source.workspace_bytes
    (True, 0)
    """
    writer = Writer(1 if lanes is None else lanes.width)
    context = Context(writer, Uniformity(), _run)
    mapped = lanes.mapped if lanes else (False,) * len(region.parameters)
    parameters = [_input(writer, i, p.type, m) for i, (p, m) in enumerate(zip(region.parameters, mapped, strict=True))]
    outputs = [_output(writer, i, r.type, lanes is not None) for i, r in enumerate(region.results)]
    parameters = [_transposed(writer, p) for p in parameters]
    frame = Frame.begin(context, region, parameters, targets=[Target(p, True) for p in outputs])
    _run(frame)
    for place, source in zip(outputs, frame.results(), strict=True):
        copy(writer, place, source)
    frame.close()
    body = "\n".join(writer.lines)
    wide = any(DTYPES[v.dtype].itemsize == 8 for v in _values(region))
    text = "\n".join([writer.preamble(wide), CONTROL, "", _function(body, lanes, name), ""])
    return Source(
        text, writer.workspace_bytes, region.parameter_types, region.result_types, lanes, tuple(writer.names_used)
    )


def _values(region: Region) -> list[Type]:
    types = [*region.parameter_types]
    for op in region.walk():
        types.extend(v.type for v in op.outputs)
        types.extend(p.type for r in op.regions for p in r.parameters)
    return types


def _function(body: str, lanes: Lanes | None, name: str) -> str:
    entry = ENTRY.format(name=name)
    if lanes is None:
        return f"{entry} {{\n    const bool first = lane_begin == 0;\n{body}\n    return 0;\n}}"
    block = f"{name}_block"
    return f"""\
static i32 {block}(const void* const* inputs, void* const* outputs, char* workspace, i64 lane, i32 count, bool first,
                   volatile genmlx_control* control) {{
{body}
    return 0;
}}

{entry} {{
    for (i64 lane = lane_begin; lane < lane_end; lane += {lanes.width}) {{
        const i64 left = lane_end - lane;
        const i32 count = left < {lanes.width} ? (i32)left : {lanes.width};
        const i32 status = {block}(inputs, outputs, workspace, lane, count, lane == 0, control);
        if (status) return status;
    }}
    return 0;
}}"""


def _input(writer: Writer, i: int, type_: Type, mapped: bool) -> Place:
    one, name = SHORT[type_.dtype], f"in{i}"
    at = f" + lane * {type_.size}" if mapped else ""
    writer.line(f"const {one}* __restrict const {name} = (const {one}*)inputs[{i}]{at};", str(type_))
    return _outside(name, type_, mapped and writer.lanes > 1)


def _output(writer: Writer, i: int, type_: Type, lanes: bool) -> Place:
    one, name = SHORT[type_.dtype], f"out{i}"
    at = f" + lane * {type_.size}" if lanes else ""
    writer.line(f"{one}* __restrict const {name} = ({one}*)outputs[{i}]{at};", str(type_))
    return _outside(name, type_, lanes and writer.lanes > 1)


def _outside(name: str, type_: Type, varying: bool) -> Place:
    """An array that the caller holds; for lanes in vectors that of the first lane, the others behind it."""
    kind = Kind.LANES if varying else Kind.MEMORY
    return Place(
        Root(name, type_.dtype, varying, kind, type_.size, references=1, held=1), type_.shape, dense(type_.shape)
    )


def _transposed(writer: Writer, place: Place) -> Place:
    """A mapped input in the order [element][lane], if it is small enough."""
    if place.root.kind is not Kind.LANES or place.root.size > TRANSPOSED_ELEMENTS:
        return place
    if place.root.size == 1:
        value = writer.read(place, ["0"] * len(place.shape))
        root = writer.variable(place.dtype, True, value, prefix="a").root
        return Place(root, place.shape, (0,) * len(place.shape))
    array = writer.array(place.dtype, True, place.shape)
    copy(writer, array, place)
    return array


def _run(frame: Frame) -> None:
    """Print the steps of a frame."""
    for step in schedule(frame.region, frame.varying):
        if isinstance(step, Nest):
            print_nest(frame, step)
            continue
        if step.name in ELEMENTWISE:
            frame.scalar(step)
        else:
            PRINTERS[step.name](frame, step)
        frame.use(step.inputs)
