"""The work itself; ``reference`` states its meaning in NumPy, ``scalar`` its steps.

``cpu`` and ``cuda`` compile those steps for their target; ``card`` says what both can
do, and ``machine`` lists the cards that are here.
"""
