"""``gm.kernels``: the kernels, and what composes them, under short names."""

from genmlx.inference.compose import chain, cycle, mix, repeat, seed, when
from genmlx.inference.mcmc.mh import custom_kernel as custom
from genmlx.inference.mcmc.mh import mh_kernel as mh
from genmlx.inference.mcmc.mh import random_walk_kernel as random_walk

__all__ = ["chain", "custom", "cycle", "mh", "mix", "random_walk", "repeat", "seed", "when"]
