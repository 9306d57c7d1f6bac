r"""Splits a span into tokens: numbers, words, operators and brackets, written in LaTeX, Markdown or plain text.

Commands without a meaning (spaces, fonts, sizes, delimiters) and markup are dropped. An unknown command or character
becomes an `opaque` token, which no rule of the grammar accepts: nothing is ever read around it. Linear in the length
of the text. Knows how numbers are written, not what tokens mean together. Example:
    [token.kind for token in tokenise(r"\left(2, \text{ 5 cm}\right]")]    # ['(', 'num', ',', 'num', 'word', ']']
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from crescent_lite.answers.words import word_set

MAX_DIGITS = 40
"""Digits of one number. A longer one is opaque."""
MAX_POWER = 60
"""Largest exponent of scientific notation."""


class Token(NamedTuple):
    """A number, a word, a LaTeX command or a sign, with its position in the text."""

    kind: str
    """'num', 'word', 'var', 'frac', 'binom', 'sqrt', 'pi', 'inf', 'begin', 'end', 'row', 'cell', 'opaque', 'cjk',
    'dots', 'arrow'; of signs the sign itself."""
    text: str
    """The text as written; for a variable or an environment its name."""
    start: int
    end: int
    space: bool
    """Whether there is a space before it."""
    value: Fraction | None = None
    """Exact value of a number; None for other tokens."""
    roman: bool = False
    r"""Whether it stands in \text{} or an upright font, so that it is not a variable."""


_SIGNS = {
    "times": "*", "cdot": "*", "ast": "*", "div": "/", "pm": "±", "mp": "∓", "le": "≤", "leq": "≤", "leqslant": "≤",
    "leqq": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "geqq": "≥", "lt": "<", "gt": ">", "ne": "≠", "neq": "≠",
    "nless": "≥", "ngtr": "≤", "nleq": ">", "ngeq": "<", "nleqslant": ">", "ngeqslant": "<",
    "approx": "≈", "simeq": "≈", "sim": "≈", "cong": "≈", "circ": "°", "degree": "°", "textdegree": "°",
    "percent": "%", "permil": "‰", "perthousand": "‰", "infty": "inf", "pi": "pi", "lbrace": "\\{", "rbrace": "\\}",
    "lbrack": "[", "rbrack": "]", "lparen": "(", "rparen": ")", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|",
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "ldots": "dots", "dots": "dots", "cdots": "dots",
    "dotsc": "dots", "cup": "∪", "pounds": "£", "euro": "€", "textdollar": "$", "in": "∈", "colon": ":",
    "newline": "row", "frac": "frac", "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "nicefrac": "frac",
    "sfrac": "frac", "xfrac": "frac", "binom": "binom", "tbinom": "binom", "dbinom": "binom", "sqrt": "sqrt",
    "langle": "(", "rangle": ")", "Rightarrow": "arrow", "rightarrow": "arrow", "implies": "arrow", "to": "arrow",
    "longrightarrow": "arrow", "Longrightarrow": "arrow", "therefore": "arrow",
}  # fmt: skip
"""Commands with a meaning, and the kind of token each one is."""
_GREEK = word_set(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho "
    "sigma tau upsilon phi varphi chi psi omega Delta Omega Sigma Theta Lambda Phi Psi"
)
_NOTHING = word_set(
    "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr middle displaystyle "
    "textstyle scriptstyle scriptscriptstyle limits nolimits small large Large LARGE normalsize tiny bf "
    "rm it sf tt em bfseries boldmath itshape centering nonumber notag protect relax mathstrut strut "
    "hfill"
)
_SPACES = word_set("quad qquad thinspace medspace thickspace enspace space nobreakspace hfil")
_FONTS = word_set(
    "text textrm textbf textit texttt textsf textnormal mbox hbox mathrm mathbf mathit mathsf mathtt "
    "mathnormal emph operatorname boldsymbol bm underline textup ensuremath displaylines raggedright"
)
"""Font commands: their group is read as if the command were not there."""
_UPRIGHT = _FONTS - {"mathbf", "mathit", "boldsymbol", "bm", "ensuremath", "mathnormal", "underline"}
_WITHOUT_EFFECT = re.compile(
    r"\\(?:hspace|vspace|hskip|phantom|hphantom|vphantom|label|tag|color|mspace)\*?\s?\{[^{}]{0,40}\}"
    r"|\\rule\s?\{[^{}]{0,40}\}\s?\{[^{}]{0,40}\}"
)
_THEN_A_GROUP = re.compile(r"\\(?:raisebox|textcolor|colorbox)\s?\{[^{}]{0,40}\}\s?(?=\{)")
_PLAIN_FRACTION = re.compile(r"\\genfrac\s?(?:\{\s*\}\s?){4}")

_NUMBER = (
    r"(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+,[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,})(?![0-9.,]*[0-9])"  # 1.234.567,89
    r"|(?:[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"  # 12,34,567
    r"|[1-9][0-9]{0,2}(?:(?:,\\!|\{,\}|\\,|\\!|[,'~]|\\ )\s?(?<!,\s)[0-9]{3})+"  # 1,000  1{,}000  1\,000  1'000
    r"|[1-9][0-9]{0,2}(?:\ [0-9]{3})+(?!\s?/|-[A-Za-z]))(?![0-9])(?:\.[0-9]+)?"  # 1 000
    r"|[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
)
_TOKEN = re.compile(
    rf"""
      (?P<space>[ \t\n]+ | \\[,;:!\ ] | \\>)
    | (?P<repeating>[0-9]*\.[0-9]*(?:\\(?:overline|bar)\s?\{{[0-9]{{1,12}}\}}
        | \\dot\s?\{{?[0-9]\}}?(?:[0-9]{{0,10}}\\dot\s?\{{?[0-9]\}}?)?))
    | (?P<num>(?:{_NUMBER}))(?:[eE](?P<exponent>[-+]?[0-9]+)(?![A-Za-z0-9]))?
    | (?P<word>[^\W\d_π\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]+(?:'[a-z]+)?)
      (?P<index>_(?:[A-Za-z0-9]|\{{[A-Za-z0-9]{{1,6}}\}}))?
    | (?P<degree>\^\s?\{{?\s?(?:\\circ(?![A-Za-z])|°)\s?\}}?)
    | (?P<environment>\\(?:begin|end)\s?\{{([A-Za-z]{{1,16}}\*?)\}}(?:\{{[lcr|\s]{{0,12}}\}})?)
    | (?P<command>\\[A-Za-z]+)
    | (?P<row>\\\\(?:\[[0-9a-z.]{{0,8}}\])?)
    | (?P<escaped>\\.)
    | (?P<dots>\.\.+)
    | (?P<plusminus>\+\s?/\s?-)
    | (?P<compared><=|>=|=<|!=|==)
    | (?P<stars>\*\*|\*)
    | (?P<math>\$\$?)
    | (?P<cjk>[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af])
    | (?P<sign>[-+/^!=≈≠<>≤≥±∓()\[\]|,;:.%‰£€¥₹₩₽¢°'"?∪∈&√π∞×÷→⇒⟹])
    | (?P<brace>[{{}}])
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMPARED = {"<=": "≤", "=<": "≤", ">=": "≥", "!=": "≠", "==": "="}
_KINDS = {
    "√": "sqrt",
    "π": "pi",
    "∞": "inf",
    "×": "*",
    "÷": "/",
    "&": "cell",
    "→": "arrow",
    "⇒": "arrow",
    "⟹": "arrow",
}
_VALUE = ("num", ")", "}", "word", "var", "pi", "!", "]")
_DELIMITERS = {"\\(": "", "\\)": "", "\\[": "", "\\]": ""}


@lru_cache(maxsize=32)
def tokenise(text: str) -> tuple[Token, ...]:
    """Return the tokens of a normalised text. Cached, as a span is often read in several ways."""
    tokens: list[Token] = []
    braces: list[str] = []  # 'group' or, of a font's, 'font' and 'upright'
    pending = ""
    spaced = False
    at = 0
    add = tokens.append
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None  # `other` takes any character
        kind, start, at = match.lastgroup or "", at, match.end()
        if kind == "index" or kind == "word":
            roman = "upright" in braces
            if kind == "index":
                name = match["word"] + "_" + match["index"].strip("_{}")
                add(Token("var" if len(match["word"]) == 1 else "opaque", name, start, at, spaced))
            elif match[0].lower() == "pi" and not roman:
                add(Token("pi", "pi", start, at, spaced))
            elif match[0] == "sqrt":
                add(Token("sqrt", "sqrt", start, at, spaced))
            else:
                add(Token("word", match[0], start, at, spaced, None, roman))
        elif kind == "space":
            spaced = True
            continue
        elif kind in ("num", "exponent"):
            value = _number(match["num"], match["exponent"])
            if _IN_PAIRS.fullmatch(match["num"]) and not _is_rupees(text, start, at):
                value = None
            add(Token("num" if value is not None else "opaque", match[0], start, at, spaced, value))
        elif kind == "repeating":
            value = _repeating(match[0])
            add(Token("num" if value is not None else "opaque", match[0], start, at, spaced, value))
        elif kind == "sign":
            add(Token(_KINDS.get(match[0], match[0]), match[0], start, at, spaced))
        elif kind == "brace":
            if match[0] == "{":
                braces.append(pending or "group")
                if not pending:
                    add(Token("{", "{", start, at, spaced))
                pending = ""
                continue
            opened = braces.pop() if braces else "none"
            if opened in ("group", "none"):
                add(Token("}" if opened == "group" else "opaque", "}", start, at, spaced))
            else:
                spaced = spaced or opened == "upright"
                continue
        elif kind == "command":
            name = match[0][1:]
            if name in _NOTHING:
                continue
            if name in _SPACES:
                spaced = True
                continue
            if name in _FONTS and text[at : at + 2].lstrip()[:1] == "{":
                pending = "upright" if name in _UPRIGHT else "font"
                continue
            skipped = _WITHOUT_EFFECT.match(text, start) or _PLAIN_FRACTION.match(text, start)
            if skipped:
                at = skipped.end()
                if skipped[0].startswith("\\genfrac"):
                    add(Token("frac", "frac", start, at, spaced))
                continue
            if coloured := _THEN_A_GROUP.match(text, start):
                at, pending = coloured.end(), "font"
                continue
            sign = _SIGNS.get(name) or ("var" if name in _GREEK else "opaque")
            add(Token(sign, name if sign == "var" else match[0], start, at, spaced))
        elif kind == "escaped":
            mark = match[0][1]
            if match[0] in _DELIMITERS:
                spaced = True
                continue
            add(Token({"{": "\\{", "}": "\\}", "|": "opaque"}.get(mark, mark if mark in "%$&" else "opaque"),
                      match[0], start, at, spaced))  # fmt: skip
        elif kind == "stars":
            if not _multiplies(text, match, tokens, spaced):
                continue
            raised = match[0] == "**"
            add(Token("^" if raised else "*", match[0], start, at, spaced))
        elif kind == "math":
            add(Token("$", "$", start, at, spaced))
        elif kind == "environment":
            name = match[0].partition("{")[2].partition("}")[0]
            add(Token("begin" if match[0].startswith("\\begin") else "end", name, start, at, spaced))
        elif kind == "other" and match[0] in "`~_#":
            if match[0] == "~" and tokens and not spaced and tokens[-1].kind == "num" and text[at : at + 1].isdigit():
                add(Token("opaque", "~", start, at, spaced))
            elif match[0] == "~":
                if (tokens and not spaced) or not _BEFORE_A_NUMBER.match(text, at):
                    spaced = True  # a space of LaTeX
                    continue
                add(Token("≈", "~", start, at, spaced))
            elif match[0] == "_" and tokens and not spaced and text[at : at + 1] not in ("", " ", "\n", "."):
                add(Token("opaque", "_", start, at, spaced))
            elif match[0] == "#":
                add(Token("opaque", "#", start, at, spaced))
            else:
                continue
        else:
            simple = {"dots": "dots", "plusminus": "±", "compared": _COMPARED.get(match[0], ""), "degree": "°",
                      "cjk": "cjk", "row": "row"}  # fmt: skip
            add(Token(simple.get(kind, "opaque"), match[0], start, at, spaced))
        spaced = False
        if pending and kind != "command":
            pending = ""
    if "group" in braces or pending:
        add(Token("opaque", "", at, at, False))
    for index in range(1, len(tokens) - 1):
        if tokens[index].text in ("x", "X") and _is_times(*tokens[index - 1 : index + 2]):
            tokens[index] = tokens[index]._replace(kind="*")
    return tuple(tokens)


def _is_times(before: Token, x: Token, after: Token) -> bool:
    """Whether an x stands between two numbers: 12 x 7, 3x4."""
    return before.kind in ("num", ")", "%") and after.kind in ("num", "(", "$") and x.space == after.space


_BEFORE_A_NUMBER = re.compile(r"\s?[-$]?[0-9.]")


def _multiplies(text: str, match: re.Match[str], tokens: list[Token], spaced: bool) -> bool:
    """Whether one or two stars are an operator and not Markdown."""
    if not tokens or tokens[-1].kind not in _VALUE:
        return False
    after = text[match.end() : match.end() + 2]
    if match[0] == "**":
        return not spaced and after[:1].isdigit() and tokens[-1].kind in ("num", ")")
    symmetrical = spaced == after.startswith(" ")
    following = after.lstrip()[:1]
    return symmetrical and bool(following) and (following.isalnum() or following in "(\\$.{√π")


def _number(text: str, exponent: str | None) -> Fraction | None:
    if text.count(".") > 1 or ("." in text and "," in text and text.rindex(",") > text.rindex(".")):
        text = text.replace(".", "").replace(",", ".")
    else:
        text = _GROUPING.sub("", text)
    if len(text) > MAX_DIGITS or len(exponent or "") > 4 or abs(int(exponent or 0)) > MAX_POWER:
        return None
    value = Fraction(int(text)) if "." not in text else Fraction(text)
    return value * Fraction(10) ** int(exponent) if exponent else value


_IN_PAIRS = re.compile(r"[1-9][0-9]?(?:,[1-9][0-9])+,[1-9][0-9]{2}(?:\.[0-9]+)?")
"""12,34,567: a number in Indian grouping or a list of three. A group that begins with 0 would settle it."""
_RUPEES_BEFORE = re.compile(r"(?:\b(?:Rs|INR)\.?|₹)\s?$", re.IGNORECASE)
_RUPEES_AFTER = re.compile(r"\s?(?:rupees?\b|Rs\b|INR\b|₹)", re.IGNORECASE)


def _is_rupees(text: str, start: int, end: int) -> bool:
    return bool(_RUPEES_BEFORE.search(text[max(0, start - 6) : start]) or _RUPEES_AFTER.match(text, end))


_GROUPING = re.compile(r"[^0-9.]+")


def _repeating(text: str) -> Fraction | None:
    r"""0.1\overline{6}, 0.\dot{1}4\dot{2}: the digits under the bar or between the dots repeat."""
    whole, _, rest = text.partition(".")
    fixed, _, marked = rest.partition("\\")
    digits = re.sub(r"\D", "", marked)
    if not digits or len(whole + fixed + digits) > MAX_DIGITS:
        return None
    scale = Fraction(1, 10 ** len(fixed))
    return int((whole + fixed) or "0") * scale + scale * Fraction(int(digits), 10 ** len(digits) - 1)
