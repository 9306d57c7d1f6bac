"""A language model improves its own maths on one workstation. Read `loop.py` first; docs/python.md shows these names.

`import crescent_lite` loads nothing else: each name is imported the first time it is used. Example:
    crescent_lite.labels("maths")[0].answer_key   # 'n:19'
"""

TYPE_CHECKING = False
"""Type checkers take a variable of this name for true; importing typing would take longer than this whole file."""

if TYPE_CHECKING:
    __version__: str
    from crescent_lite.answers import canonical_answer
    from crescent_lite.api import answer, decide, frame, init, labels, open_database, open_sampler, run, scores, votes
    from crescent_lite.errors import CrescentError, Interrupted
    from crescent_lite.questions.duplicates import DuplicateIndex

__all__ = [
    "CrescentError",
    "DuplicateIndex",
    "Interrupted",
    "answer",
    "canonical_answer",
    "decide",
    "frame",
    "init",
    "labels",
    "open_database",
    "open_sampler",
    "run",
    "scores",
    "votes",
]

if not TYPE_CHECKING:
    # A type checker that saw this function would accept any name.
    _ELSEWHERE = {
        "CrescentError": "errors",
        "DuplicateIndex": "questions.duplicates",
        "Interrupted": "errors",
        "canonical_answer": "answers",
    }
    """The modules of the names that are not in `api`."""

    def __getattr__(name):
        from importlib import import_module

        if name == "__version__":
            return import_module("crescent_lite.config.names").VERSION
        if name not in __all__:
            raise AttributeError(f"module 'crescent_lite' has no attribute {name!r}; it has {', '.join(__all__)}")
        value = getattr(import_module(f"crescent_lite.{_ELSEWHERE.get(name, 'api')}"), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
