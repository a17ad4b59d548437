"""What a network does with a signal at initialization, and what theory expects."""
