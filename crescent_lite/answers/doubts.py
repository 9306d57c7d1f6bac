"""Closed classes of words that keep a sentence from stating a result, and the marks of a text that is cut off.

Each class is a set of words in lower case, compared with the words of a sentence. English is known in full; of other
common languages only negations, doubts, conditions and plans are. Knows nothing of where an answer stands. Example:
    doubts(words_of("It might be 12."), HEDGES)    # True
"""

from __future__ import annotations

import re
from collections.abc import Collection

from crescent_lite.answers.words import word_set

HEDGES = word_set(
    "may might could perhaps maybe possibly probably presumably likely unlikely apparently supposedly hopefully "
    "guess guessing guessed suspect wonder doubt doubtful unsure uncertain uncertainty certain sure unclear "
    "unknown ambiguous ambiguity undecided undetermined torn seem seems seemed appear appears think thought "
    "believe feel feels assume assumed assumes assuming assumption suppose supposed supposing imagine imagining "
    "pretend hypothetically hypothetical say somewhere somehow tentatively"
)
"""Words that weaken what a sentence says, or set a premise."""
NEGATIONS = word_set("not no never neither nor none cannot without nothing nobody nowhere hardly barely n't ain't")
CONDITIONS = word_set(
    "if unless otherwise whether provided providing depending depends depend once until till else scenario"
)
ALTERNATIVES = word_set("or either versus vs oder ou или o")
QUESTIONS = word_set("? what how why who whom whose")
MODALS = word_set("can will shall must would should ought 'll 'd need needs")
"""Words of ability, future and duty: in the result of a calculation they are content, elsewhere a plan."""
PLANS = word_set(
    "let lets let's going trying try tries begin beginning start continue continues proceed compute calculate "
    "determine evaluate verify recompute recalculate redo reconsider consider recall remember note notice "
    "observe use plan strategy aim approach approaches attempt attempts tried yet pending incomplete "
    "unfinished partial partially continued tbd tba todo progress soon please want trick follow follows "
    "following look looking search searching hold wait"
)
"""Words of work that is announced or under way."""
FAILURES = word_set(
    "wrong incorrect mistake mistaken mistakes error errors exception traceback failure false contradiction "
    "contradicts impossible inconsistent absurd invalid extraneous rejected unsolved stuck sorry apologize "
    "apologise apologies unfortunately unable fail fails failed refuse refused declined denied forbidden timeout "
    "unavailable missing insufficient unanswered confusing confused nonsense misread scratch ignore disregard "
    "clarify clarification undefined"
)
"""Words of a refusal, a failure or a rejected value."""
REPORTS = word_set(
    "candidate candidates given told asked ask asks asking stated says said know known knows mentions mentioned "
    "according question questions problem problems task tasks exercise exercises puzzle quiz homework worksheet "
    "assignment exam chapter section lemma theorem corollary proposition proof appendix textbook reference "
    "references formula formulas formulae method methods case cases hint hints step steps example examples "
    "tutorial lesson equations unknowns variable variables condition conditions subproblem definition principle "
    "version copyright license request response prompt token tokens model assistant ai chatbot website url http "
    "https server api python javascript html input parameter parameters percentages explanation explain "
    "explained paragraph image picture diagram graph attachment user users conversation marks shown see listed "
    "cf program code script iterations loop claim induction hypothesis another others besides options choices"
)
"""Words of the task and of the text itself: what is given, asked or referred to is no result."""
NUMBERED = word_set(
    "page table figure fig line row column part item entry unit eq equation level room route day week stage note "
    "footnote rule reason fact option volume code gpt iso no article verse act scene episode round lecture"
)
"""Things that have a number for their name when it follows at once: Table 3, line 12."""
KNOWN = word_set("definition fact identity rule know knowing recall remember note theorem example intermediate")
"""Words by which even a calculation is no result: By definition, 0! = 1."""
TURNS = word_set("but however though although except hmm oops sorry wait actually")
BEGINNINGS = word_set(
    "originally original initially initial starts started begins began beginning yesterday previously formerly"
)
"""Words of the state from which a task starts."""
PERSONS = word_set("i we you i'm we're you're i've we've you've i'll we'll you'll i'd we'd you'd")
"""The writer and the reader, of whom the result of a task does not speak."""
ENGLISH = word_set(
    "the is are was were has have had he she it they there therefore thus hence we each of and this that with "
    "her his their its gives makes leaves equals from than all both together after before gets got "
    "costs takes took made pays sells needs weighs earns read spent must will can more it's that's he's "
    "she's there's they're"
)
"""Words that show that a sentence is English."""
ELSEWHERE = word_set(
    "nicht kein keine keinen nein vielleicht möglicherweise könnte könnten wahrscheinlich wenn falls sollte "
    "müssen muss werden wir ich ne pas non peut peut-être pourrait devons devrait si sinon probablement jamais "
    "nous je nunca quizás quizá vez podría puede pueden podrías debemos debe probablemente sino voy vamos não "
    "talvez poderia pode podem devemos se forse potrebbe può mai dobbiamo не нет нельзя возможно может могут "
    "наверное если нужно надо вероятно hay ik"
)
"""Negations, doubts, conditions and plans of other common languages that are written with spaces."""
ELSEWHERE_UNSPACED = (
    "नहीं", "शायद", "यदि", "अगर", "गलत", "चाहिए", "ليس", "ربما", "إذا", "لا ", "لن ", "设", "設",
    "더해", "합니다", "参见", "页", "不", "没", "沒", "无法", "無法", "可能", "也许", "也許",
    "或许", "或者", "大概", "如果", "假设", "假如", "若", "是否", "请", "需要", "应该", "要", "求",
    "已知", "错", "ない", "ません", "かもしれ", "たぶん", "おそらく", "もし", "でしょう",
    "ください", "아니", "않", "못", "아마", "어쩌면", "만약", "까요", "하세요", "틀렸", "모르",
)  # fmt: skip
"""The same of languages that are written without spaces, or with endings."""
HARD = HEDGES | NEGATIONS | FAILURES | frozenset("?")
"""Words that no form of a conclusion excuses."""
SOFT = CONDITIONS | ALTERNATIVES | QUESTIONS | MODALS | PLANS | REPORTS
"""Words that a calculation excuses: If each costs $3, then 4 × 3 = 12 dollars are needed."""

_COMMAND = re.compile(r"\\(?:begin|end)\s?\{[A-Za-z*]{1,16}\}|\\[A-Za-z]+")
_MONTH = re.compile(r"(?<=[a-z,] )May\b|\bMay(?= \d)")
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\?")


def words_of(sentence: str) -> list[str]:
    """Return the words of a normalised sentence in lower case, and its question marks; n't is a word of its own."""
    found: list[str] = []
    sentence = _MONTH.sub(" ", sentence)
    for word in _WORD.findall(_COMMAND.sub(" ", sentence).casefold()):
        stem = word.removesuffix("n't")
        found += [stem, "n't"] if stem and stem != word else [word]
        if word.endswith(("'ll", "'d")):
            found.append(word[word.rindex("'") :])
    return found


def speaks_elsewhere(sentence: str, words: Collection[str]) -> bool:
    """Whether a sentence in another language doubts, denies, supposes or plans."""
    if ENGLISH.isdisjoint(words) and not ELSEWHERE.isdisjoint(words):
        return True
    return not sentence.isascii() and any(mark in sentence for mark in ELSEWHERE_UNSPACED)


_NO_CHOICE = re.compile(
    r"\b(?:(?:can't|cannot|can not|couldn't|could not|unable to|impossible to) (?:really )?(?:answer|decide|choose"
    r"|tell|say|determine|pick)|not (?:\w+ )?(?:sure|certain)\b|no (?:final )?answer"
    r"|(?:do not|don't) (?:really )?know"
    r"|unsure|undecided|no idea)\b",
    re.IGNORECASE,
)


def makes_no_choice(text: str) -> bool:
    """Whether the words after an answer say that there is none, or that several were possible."""
    return bool(_NO_CHOICE.search(text))


def is_open(text: str) -> bool:
    """Whether the words after several answers say that none of them was chosen."""
    return makes_no_choice(text) or "?" in text[:3]


_DANGLING = word_set(
    "and or the a an of to for by with in on at as from than that which who so then but because since if when is "
    "are was were be has have had minus plus times divided per each every its his her their our we he she they "
    "it not get gets give gives equals using into about next other same first following remaining another some "
    "any both all this these those more less my your between over under after before where while therefore thus "
    "hence also should must will can would i you how what"
)
_UNFINISHED = re.compile(
    r"(?:[-+*/×÷=<>≤≥(,^_&\\{\[]|\\(?:times|cdot|div|frac|sqrt|left|pm|le|ge|text)|[A-Za-z]\([^()\n]{0,20})[\s$]*$"
)
_CUT_DECIMAL = re.compile(r"(?:^|\s)\$?0\.$")
_LAST_WORD = re.compile(r"([A-Za-z]+)[\s$]*$")
_ENDED = re.compile(r"[.!?。！？…:;)\]}\"'”*`$%|°]\s*$|\\\]\s*$")


def is_cut_off(text: str) -> bool:
    """Whether a text ends in the middle of a sentence, by its last word or sign: "3 apples and", "x = 3, y ="."""
    tail = text[-200:].rstrip()
    word = _LAST_WORD.search(tail)
    dangling = word is not None and word[1].lower() in _DANGLING and tail[word.start() - 1 : word.start()] != "\\"
    return dangling or bool(_UNFINISHED.search(tail) or _CUT_DECIMAL.search(tail[-4:]))


def is_ended(sentence: str) -> bool:
    """Whether a sentence ends in a punctuation mark, a bracket or markup."""
    return bool(_ENDED.search(sentence[-20:]))
