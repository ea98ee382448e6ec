"""A whole network on one machine, cheaters included.  Start at ``demo``."""
