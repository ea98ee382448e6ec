"""The device: it beats, samples itself, proves work, and queues what it made.

Start at ``service``, which wires the rest.  What is decided stands in the pure modules
``beacons`` (what to believe), ``heartbeats`` (when to beat and seal) and ``rounds``
(what to prove, commit and open); ``outbox`` keeps every message until it is
acknowledged; ``prover`` is the program that computes, in a process of its own.
"""
