"""Provers that cheat: what each tries, and what must become of it.

Each is the honest agent but for one trick, at one of three seams: what a card computes
(``cards``, ``memories``), what the device commits to and opens (``devices``), and what
it puts on the wire (``letters``).  ``catalogue`` names them all; ``simulator.trial``
tries one in virtual time, ``edgeproof demo --cheat`` in a network of processes.
"""
