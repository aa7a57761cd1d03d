"""One handler for each method of the interface.

A handler is a value with one pure function ``at(key, path, gen_fn, args) -> Step``: what a call at an address does.
The execution under way (`genmlx.lang.runtime`) folds the steps into a trace, a weight and a discard.
"""
