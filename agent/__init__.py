"""The device: samples itself, proves work, queues what it made.  Start at ``service``."""
