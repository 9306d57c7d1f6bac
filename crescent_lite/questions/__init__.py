"""Questions: how a model is made to ask them, which are usable, and which are new.

`bait` builds the requests, `checks` decides what is a usable question, `diversify` decides what is new with the help
of `duplicates`, `postings` and `semantic`, and `own` reads a user's own questions. Source: bait prompting and
diversification in Crescent, arXiv 2502.13441.
"""
