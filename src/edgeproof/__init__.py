"""edgeproof: edge devices earn by proving they did the work they were asked to do.

Read the packages in the order the data travels:

1. ``kernels``      the work itself: Keccak, integer matrix products, walks over memory;
   ``reference`` says what is right, ``cpu`` and ``cuda`` compute it, ``machine`` lists
   the cards that are here: ``edgeproof kernels check``
2. ``proofs``       pure decisions: challenge, commitment, opening, verdict, scores
3. ``telemetry``    the messages that cross the wire, and the broker they cross
4. ``agent``        a device samples itself, proves work, and queues what it made; the
   proofs come from ``prover``, a process of its own with a thread for each card
5. ``coordinator``  hears devices, keeps what arrived on time, closes epochs
6. ``audit``        recomputes an epoch from its bundle; the close is this same code
7. ``chain``        posts each root once, mints exactly its increase, pays claims
8. ``simulator``    a network on one machine, cheaters included: ``edgeproof demo``

The specification that all of them follow is docs/protocol.md; the kernels for NVIDIA's
cards are described in docs/gpu.md.
"""
