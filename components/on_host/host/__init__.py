"""The program on each host: it applies what is pushed, holds it, and says how the host is.

Standard library only (Python 3.9 or newer). `__main__.py` has its verbs.
"""
