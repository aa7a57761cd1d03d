"""The intermediate representation: a small typed graph with regions.

* `genmlx.compiler.ir.types`: types, values, operations, regions;
* `genmlx.compiler.ir.graph`: the builder that makes them;
* `genmlx.compiler.ir.ops`: the table of operations: what types they take, and what they mean, in NumPy;
* `genmlx.compiler.ir.verify`: whether a region is well formed;
* `genmlx.compiler.ir.printer`: a region as text;
* `genmlx.compiler.ir.interpret`: a region run, one operation at a time; the reference of every other way to run it.

Everything is immutable: a pass makes a new region. A region sees its parameters and nothing else, so that what a loop
needs is written in its operands.
"""
