"""The machine: its settings and environment, and its processes, devices, memory and disk."""
