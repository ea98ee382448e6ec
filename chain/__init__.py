"""The EVM: artifacts, client, poster, development chain.  Start at ``poster``."""
