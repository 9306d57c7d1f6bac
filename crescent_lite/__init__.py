"""A language model improves its own maths on one workstation. Read `loop.py` first."""

__version__ = "0.1.0"
