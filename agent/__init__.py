"""The device: it beats, samples itself, proves work, and queues what it made.

Start at ``service``, which wires the rest, and which ``serving`` runs.  What is decided
stands in the pure modules ``beacons`` (what to believe), ``heartbeats`` (when to beat
and seal), ``rounds`` (what to prove, commit and open) and ``limits`` (when to rest);
``outbox`` keeps every message until it is acknowledged; ``prover`` is the program that
computes, in a process of its own.
"""
