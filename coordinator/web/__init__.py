"""The explorer: JSON for programs, pages for people.  Start at ``app``."""
