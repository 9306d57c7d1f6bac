"""Tells what a reply doubts or leaves open, so that a number in it is not taken for its answer.

Works on sentences; knows nothing of where an answer stands. Example:
    leaves_open("We still need to add 12.")    # True
"""

from __future__ import annotations

import re

from crescent_lite.answers.retractions import WRONG_ELSEWHERE

_VERB = (
    r"(?:subtract|add|find|divide|multiply|compute|calculate|check|treat|do|consider|test|look|convert|solve"
    r"|determine"
    r"|figure|work|know|use|apply|factor|simplify|remove|count|prove|show|verify|evaluate|combine|compare"
    r"|examine|see"
    r"|try|continue|handle|estimate|repeat|plug|substitute|rearrange|integrate|differentiate|expand|sum|round"
    r"|express"
    r"|start|begin|take|write|draw|set|finish|give|state|provide|answer|explain|discuss|deal|list|go|make"
    r"|analy[sz]e)"
)
_PENDING = re.compile(
    rf"""\b(?:we|i|you)\s(?:\w+\s)?(?:(?:need|have|want|wish|ought|got|remains?|try|are\sgoing"
    rf"|am\sgoing)\s(?:\w+\s)?to
            |must|should|will|'ll|shall|can\snow|may\snow|would\shave\sto|would\sneed\sto)\s(?:(?:now|next
              |still|also|then
            |first|just|only)\s)?{_VERB}\b
      | \b(?:we|i)'ll\s(?:\w+\s)?(?:{_VERB}|need)\b
      | \b(?:let\sme|let's|let\sus)\s(?!know\b)(?![^.!?\n]*=)
      | \b(?:we're|i'm)\sgoing\sto\b
      | \b(?:(?:has|have|is|are|needs?|remains?|yet|still)\s(?:\w+\s)?to|must|should)\s(?:\w+\s)?be\s(?:added
        |subtracted|multiplied|divided
          |checked|tested|examined|considered|found|verified|computed|calculated|solved|determined|treated
            |converted|simplified
          |counted|proven|proved|shown|worked|seen|done|evaluated|compared|ruled|decided)\b
      | \bleft\s(?:to\sthe\sreader|as\san?\sexercise)\b
      | (?<!far\sas\s)\b(?:we|i|you)\scan\s(?:\w+\s)?{_VERB}\b[^0-9=]*$
      | \b(?:remains|left)\sto\s{_VERB}\b
      | \bthe\s(?:next|first|second|third|last|final|following|remaining)\s(?:step|thing|task|part)\s(?:is
        |will|would)\b
      | \b(?:look(?:ing)?|search(?:ing)?)\sfor\sa\b
      | \b(?:we|i|you)\s(?:are|were|am)\s(?:asked|told|given|supposed|trying|looking|interested)\b
      | \bthe\s(?:question|problem|task|exercise|goal|aim)\s(?:is\sto|asks|wants|says|states|gives|tells
        |mentions|is\sasking)\b
      | \bnot\s(?:yet|finished|done|complete)\b | \bto\s(?:be\s)?continued?\b | \bin\sprogress\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Work that is announced and not done, or the task repeated."""
_GIVES_UP = re.compile(
    r"\b(?:not (?:really |so |at all |entirely |quite |completely |too )?(?:sure|certain)|unsure|uncertain"
    r"|no idea|no clue|no answer"
    r"|(?:do not|don't) (?:really )?(?:know|see|understand|remember|recall)|(?:(?:i|we) (?:still |really "
    r"|simply |just )?(?:can't|cannot|can not|couldn't|could not)|unable to) (?:really )?(?:decide"
    r"|tell|say|give|find|determine|answer|solve|finish|figure|conclude|choose|work)|give up|gave up"
    r"|none of (?:them|these|those)"
    r" (?:work|fit|help)\w*|rather not|undecided|out of (?:time|space)|it depends|got stuck|(?:am|i'm|are"
    r"|we're) stuck)\b"
    r"|无法|不确定|不知道|不清楚|わかりません|分かりません|不明",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:maybe|perhaps|possibly|(?:could|might|may)(?: (?:well|also|even|just|easily))? be(?= (?:about "
    r"|around |as \w+ as |either )?[$\\(]?-?[\d\\a-z])"
    r"|either\b[^.!?\n]{1,60}\bor|(?:i|my|a) (?:wild |best |rough )?guess|guess(?:ing)? (?:it|that)|who knows"
    r"|peut-être|pourrait être|vielleicht|könnte|möglicherweise|quizás?|tal vez|podría ser|puede ser|talvez"
    r"|pode ser"
    r"|forse|potrebbe essere|возможно|может быть|наверное)\b"
    r"|可能|也许|或许|大概|かもしれ|아마|어쩌면",
    re.IGNORECASE,
)
_TWO_CONDITIONS = re.compile(r"\bif\b[^.!?\n]{1,200}\b(?:if|otherwise|or else)\b", re.IGNORECASE)
_OF_THE_REPLY = re.compile(
    r"\W*(?:\w{0,20}\s?error|\w{0,20}exception|version|copyright|part|chapter|thanks|thank you|warning"
    r"|traceback|timeout|timed out|see|refer to|cf"
    r"|given|known|data|source|question|task|problem|exercise|hint|note|remark|tip|plan|step \d+ of"
    r"|page \d+)\b(?:\s?:|!|\s(?!is\b|are\b|of\b))",
    re.IGNORECASE,
)
_COUNTS_THE_REPLY = re.compile(
    r"\b\d+(?:\.\d+)?\s(?:\w+\s)?(?:more\s)?(?:steps?|methods?|approach(?:es)?|attempts?|tries|cases|parts"
    r"|hints?|sub-?questions?"
    r"|questions?|stages|marks|equations?|unknowns?|variables?|conditions?|examples?|formulas?"
    r"|points possible|candidates)\b"
    r"|\bin \d+ (?:different |possible )?ways\b",
    re.IGNORECASE,
)
_OF_A_BOOK = re.compile(r"\b(?:on|see|in|from) (?:page|chapter|section|line|p\.)s? ?\d", re.IGNORECASE)
_NUMBERED = re.compile(
    r"\b(?:problem|equation|eq|figure|fig|table|lemma|theorem|corollary|proposition|reference|ref|item|entry|row|column"
    r"|exercise|question|volume|aufgabe|seite|abbildung|página|pagina|page|ejercicio|exercice|figura)\b\.? ?[(\[]?\d"
    r"|\[\d{1,3}\]",
    re.IGNORECASE,
)
"""A thing with a number for its name: Equation (3), Seite 36."""
_NOT_IT = re.compile(
    r"(?:\b(?:cannot|can't|can not) be|\b(?:not|n't) equal(?: to)?|\b(?:isn't|is not|wasn't|was not)|(?<!\w)it's not"
    r"|\bno es|\bno son|\bnicht|\bkeine?|\bn'est pas|\bne (?:vaut|sont|font) pas|\bnon è|\bnão é|\bне"
    r"|不是|不等于|并非|並非|ではなく?|아니)"
    r"\s?(?:(?:the|a|an|equal to|only|just|exactly|about)\s)?[$\\(]{0,3}-?\d[\d.,/%]*"
    r"|\d[\d.,/%]*\s?(?:नहीं|ではない|じゃない|이 아니|가 아니)",
    re.IGNORECASE,
)
"""A number that is denied in the same breath, in common languages."""
_UNIT = (
    r"(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|decades?|century|centuries|km|kilomet(?:er"
    r"|re)s?|met(?:er|re)s?|cm|mm"
    r"|centimet(?:er|re)s?|inch(?:es)?|f(?:oo|ee)t|yards?|miles?|kg|kilograms?|grams?|pounds?|ounces?"
    r"|lit(?:er|re)s?|gallons?|quarts?"
    r"|pints?|cups?|dozens?|dollars?|cents?|nickels?|dimes?|quarters?|degrees?|triangle|circle|week|leap year)"
)
_FACT = re.compile(
    rf"^\W*(?:(?:note|recall|remember|we know|i know|since|as) (?:that )?)?(?:(?:1|one|an?|each"
    rf"|every) {_UNIT} (?:is|=|equals|has|contains|are)\b"
    rf"|(?:there are|we have) [\w.,]+ {_UNIT} (?:in|per) (?:1|one|an?|each|every|the) {_UNIT})",
    re.IGNORECASE,
)
"""A conversion that everybody knows: there are 60 minutes in an hour."""
_TWO_FACTS = re.compile(
    r"(?<![A-Za-z])\d[^.;!?\n]{0,80}(?:,? and|;|,? while|,? but) (?:there|each|every|the|he|she|they|it|his|her"
    r"|another|[A-Z]\w+)\b"
    r"[^,.;!?\n]{0,40}?\b(?:has|have|had|are|is|was|were|holds?|costs?|sells?|buys?|gets?|contains?|weighs?"
    r"|takes?|needs?) "
    r"[^,.;!?\n]{0,20}\d"
)
"""Two statements with a number each: Each box holds 12 eggs, and there are 5 boxes."""
_NONE_EXISTS = re.compile(r"\bthere (?:is|are|exists?) no\b|\bno (?:solutions?|answer|result|such)\b", re.IGNORECASE)
_FIRST_PERSON = re.compile(
    r"^\W*(?:(?:first|now|next|then|here|well|ok(?:ay)?|also)\W+)?(?:i|we|you"
    r"|let)\b(?!\W+(?:\w+\W+){0,2}?(?:get|gets|got|find"
    r"|found|obtain|obtained|conclude|see|are left|have|end up|arrive|can|need|would|should|will|could"
    r"|calculate|computed?"
    r"|had|spent|pay|paid|think|believe|say|answer|choose)\b)",
    re.IGNORECASE,
)
_CONCLUDING = re.compile(
    r"(?:\b(?:so|therefore|thus|hence|in total|total|altogether|finally|overall|in all|answer|result|conclude|left"
    r"|remains?|consequently|means?|giving|which gives|comes? to)\b|[=≈])",
    re.IGNORECASE,
)


def leaves_open(sentence: str) -> bool:
    """Whether a sentence announces work, gives up, repeats the task or asks, and so ends without a result."""
    return bool(_GIVES_UP.search(sentence) or _PENDING.search(sentence)) or is_question(sentence)


def is_question(sentence: str) -> bool:
    """Whether a sentence asks."""
    return sentence.rstrip(" *_\"')$").endswith("?")


def is_no_conclusion(sentence: str) -> bool:
    """Whether a sentence with a number states no result: a guess, a reference, an error, a count of steps."""
    if _HEDGE.search(sentence) or _TWO_CONDITIONS.search(sentence) or _OF_THE_REPLY.match(sentence):
        return True
    if _FACT.search(sentence) or _NOT_IT.search(sentence) or WRONG_ELSEWHERE.search(sentence):
        return True
    if _CONCLUDING.search(sentence):
        return False
    return bool(
        _TWO_FACTS.search(sentence)
        or _NONE_EXISTS.search(sentence)
        or _COUNTS_THE_REPLY.search(sentence)
        or _OF_A_BOOK.search(sentence)
        or _NUMBERED.search(sentence)
        or _FIRST_PERSON.match(sentence)
    )


_NO_CHOICE = re.compile(
    r"\b(?:(?:can't|cannot|can not|couldn't|could not|unable to|impossible to) (?:really )?(?:answer|decide"
    r"|choose|tell which|say which)"
    r"|not sure which|no (?:final )?answer|do not know which|don't know which)\b",
    re.IGNORECASE,
)


def makes_no_choice(text: str) -> bool:
    """Whether the words after an answer say that there is none."""
    return bool(_NO_CHOICE.search(text))


def is_conditional(sentence: str) -> bool:
    """Whether a sentence begins with a condition on which its value depends."""
    return bool(_IF.match(sentence))


_IF = re.compile(
    r"\W*(?:but |and |or |so |otherwise|however,? )?(?:if|when|assuming|in case|otherwise)\b", re.IGNORECASE
)


def is_undecided(text: str) -> bool:
    """Whether the words after several answers say that none of them was chosen."""
    return bool(_GIVES_UP.search(text)) or "?" in text[:3]


_CHECK = re.compile(
    r"\W*(?:(?:let me |let's |to |we (?:can )?|i (?:can )?|a quick )?(?:double[- ]?)?(?:check|verif"
    r"|confirm)\w*\b|(?:plugging|substituting|putting)\b"
    r"[^.!?\n]{0,40}\b(?:back|original)\b|as a check\b|proof\b|indeed\b)|.{0,300}\bwhich (?:confirms|checks"
    r"|verifies|matches|agrees|is (?:true|as required"
    r"|what we wanted))\b|.{0,300}\bconfirm(?:s|ing) (?:our|the|that|this|my)\b",
    re.IGNORECASE | re.DOTALL,
)


def is_check(sentence: str) -> bool:
    """Whether a sentence checks a result that stands before it."""
    return bool(_CHECK.match(sentence))


_ENDED = re.compile(r"[.!?。！？…:;)\]}\"'”*`$%|°]\s*$|\\\]\s*$")
_DANGLING = re.compile(
    r"(?:(?:^|[\s,(])(?:and|or|the|a|an|of|to|for|by|with|in|on|at|as|from|than|that|which|who|so|then|but"
    r"|because|since|if|when|is"
    r"|are|was|were|be|has|have|had|minus|plus|times|divided|per|each|every|its|his|her|their|our|we|he|she"
    r"|they|it|not|we get|gets?"
    r"|gives?|equals?|using|into|about|next|other|same|first|following|remaining|another|some|any|both|all"
    r"|this|these|those|more|less|my|your|between|over|under|after|before|where|while|therefore|thus|hence"
    r"|also|should|must|will|can|would)"
    r"|[-+*/×÷·=<>≤≥(,^_&\\{\[]|\\(?:times|cdot|div|frac|sqrt|left|pm|le|ge|text)|[A-Za-z]\([^()\n]{0,20})[\s$]*$",
    re.IGNORECASE,
)
_CUT_DECIMAL = re.compile(r"(?:^|\s)\$?0\.$")


def is_cut_off(text: str) -> bool:
    """Whether a text ends in the middle of a sentence, by its last words: "3 apples and", "x = 3, y ="."""
    tail = text[-200:].rstrip()
    return bool(_DANGLING.search(tail) or _CUT_DECIMAL.search(tail[-4:]))


def is_ended(sentence: str) -> bool:
    """Whether a sentence ends in a punctuation mark, a bracket or markup."""
    return bool(_ENDED.search(sentence[-20:]))
