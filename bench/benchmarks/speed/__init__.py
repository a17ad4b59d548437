"""The speed of the training engine, next to a plain training loop: `python -m bench speed`.

In: settings. Out: one row per work, one of whole sweeps, one of many short runs; or one per fact of a GPU. Touches: the
device, processes, and temporary folders.
"""
