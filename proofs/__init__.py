"""Pure decisions, no I/O: what counts as proof, and what it is worth."""
