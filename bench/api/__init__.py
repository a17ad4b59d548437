"""The public API, for use outside a sweep: initialize any torch module, preview its weights, compute a gain.

In: a module, an initializer's name. Out: the module, filled in place, or a table. Touches: the tensors it is handed.
"""

from bench.api.diagnosing import diagnose
from bench.api.initialization import gain, initialize, initializers
from bench.schema import UserError

__all__ = ["UserError", "diagnose", "gain", "initialize", "initializers"]
