"""Stages 1 and 2 of the method: how questions are asked for, checked, and compared with the ones that were kept.

`bait` builds the requests, `checks` and `diversify` decide, `duplicates`, `postings` and `semantic` find what is
alike, and `own` reads a user's own questions. Source: arXiv 2502.13441.
"""
