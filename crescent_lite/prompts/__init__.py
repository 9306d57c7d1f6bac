"""The prompts: one folder of text files for each set, and `sets.py`, which reads and fills them."""
