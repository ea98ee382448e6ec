"""The operator: hears, verifies, closes epochs, publishes.  Start at ``service``."""
