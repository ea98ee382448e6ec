"""Recompute an epoch from its published bundle.  Start at ``replay``."""
