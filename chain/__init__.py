"""The EVM: where roots are posted and rewards are minted and claimed.

Start at ``poster``; it follows ``decisions`` (pure) and sends through ``sender``,
which writes to ``outbox`` first.  ``client`` is the only way to a node, ``deploy``
creates the contracts from ``artifacts``, ``devchain`` is a chain for demos and tests.
This package alone imports web3, and importing the package itself does not.
"""
