"""The prompts: one folder of text files per prompt set, and `sets.py`, which reads and fills them."""
