"""The machine: what it is, what a sweep is told to use of it, and the devices, memory and disk behind that."""
