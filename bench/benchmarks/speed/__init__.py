"""How fast the training engine is, next to what a user writes by default: `python -m bench speed`.

In: settings. Out: one row per work, one of whole sweeps, one of many short runs. Touches: the device, processes, and
temporary folders.
"""
