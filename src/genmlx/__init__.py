"""GenMLX: a probabilistic programming language with Gen's generative function interface, on MLX arrays."""

from genmlx.core.choicemap import EMPTY, C, ChoiceMap, choicemap
from genmlx.core.diff import NoChange, UnknownChange
from genmlx.core.distribution import Distribution, distribution
from genmlx.core.edit import ConstraintEdit, EditRequest, ProposalEdit, SelectionEdit, SequenceEdit
from genmlx.core.factor import factor
from genmlx.core.gfi import Call, GenerativeFunction
from genmlx.core.selection import ALL, NONE, Selection, select, select_where
from genmlx.core.trace import Trace
from genmlx.distributions.normal import broadcasted_normal, gaussian, normal
from genmlx.inference import kernels
from genmlx.inference.importance import importance_resampling, importance_sampling
from genmlx.inference.mcmc.mh import mh
from genmlx.inference.results import Chains, Particles
from genmlx.inference.run import run_chain
from genmlx.lang.gen import gen
from genmlx.numerics.random import key

__version__ = "0.1.0"
