"""Final answers: finds the answer in a reply and reads its value as a canonical key. Pure.

`location` asks the places in order: `boxes`, `stated` and `bare`, then `last_sentence`, which reads the last sentence
only in the form of a conclusion (`conclusions`, with the words of `result_words` and `doubts`). `retractions` tells
what is taken back. `values` reads the span there, whole or not at all, as `tokens` of one grammar: `quantities` (with
`units`, `dates` and `number_words`), `expression` and `exact` for calculation, `formulas` for unknowns. `prose` says
what a sentence concludes; `text` removes thoughts and remarks. Example:
    canonical_answer("So it is 12 + 7 = 19.") -> "n:19"
"""

TYPE_CHECKING = False
"""As in `crescent_lite`: true for type checkers only."""

if TYPE_CHECKING:
    from crescent_lite.answers.location import canonical_answer, find_answer

__all__ = ["canonical_answer", "find_answer"]

if not TYPE_CHECKING:

    def __getattr__(name):
        # Programs that sample need `thoughts` only; the patterns of the others take 0.3 s to compile (measured).
        if name not in __all__:
            raise AttributeError(f"module 'crescent_lite.answers' has no attribute {name!r}")
        from crescent_lite.answers import location

        return getattr(location, name)
