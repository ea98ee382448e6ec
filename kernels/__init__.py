"""The work itself; ``reference`` states its meaning in NumPy, ``scalar`` its steps."""
