r"""Splits a span into tokens: numbers, words, operators and brackets, written in LaTeX, Markdown or plain text.

Commands without a meaning (spaces, fonts, sizes, delimiters) and markup are dropped. An unknown command or character
becomes an `opaque` token, which no rule of the grammar accepts: nothing is ever read around it. Linear in the length
of the text. Knows how numbers are written, not what tokens mean together. Example:
    [token.kind for token in tokenise(r"\left(2, \text{ 5 cm}\right]")]    # ['(', 'num', ',', 'num', 'word', ']']
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
_INFINITY = frozenset({"inf", "infinity", "infty"})
"""Words for ∞, as in (-inf, 4]."""
_VALUE = ("num", ")", "}", "word", "var", "pi", "!", "]")
_PLAIN_KINDS = {"dots": "dots", "plusminus": "±", "degree": "°", "cjk": "cjk", "row": "row", "math": "$"}
"""Groups of `_TOKEN` with one kind of token each."""


@lru_cache(maxsize=32)
def tokenise(text: str) -> tuple[Token, ...]:
    """Return the tokens of a normalised text. Cached, as a span is often read in several ways."""
    tokens = _Tokeniser(text).run()
    for index in range(1, len(tokens) - 1):
        if tokens[index].text in ("x", "X") and _is_times(tokens[index - 1 : index + 3]):
            tokens[index] = tokens[index]._replace(kind="*")
    return tuple(tokens)


class _Tokeniser:
    """Reads a text from left to right; `_TOKEN` names the group that matched, and a method handles each group."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[Token] = []
        self._braces: list[str] = []
        """Open braces: 'group', or 'font' and 'upright' for the argument of a font command, which is no token."""
        self._font = ""
        """Kind of the brace that a font command has announced."""
        self._spaced = False
        self._start = self._at = 0

    def run(self) -> list[Token]:
        """Return all tokens. An unclosed brace adds an opaque one."""
        while self._at < len(self._text):
            match = _TOKEN.match(self._text, self._at)
            assert match is not None  # the group `other` takes any character
            kind, self._start, self._at = match.lastgroup or "", self._at, match.end()
            handler = _HANDLERS.get(kind)
            if handler:
                handler(self, match)
            else:
                self._add(_COMPARED[match[0]] if kind == "compared" else _PLAIN_KINDS[kind], match[0])
        if "group" in self._braces:
            self._add("opaque", "")
        return self._tokens

    def _add(self, kind: str, text: str, value: Fraction | None = None, *, roman: bool = False) -> None:
        self._tokens.append(Token(kind, text, self._start, self._at, self._spaced, value, roman))
        self._spaced = False

    def _space(self, match: re.Match[str]) -> None:
        self._spaced = self._spaced or match[0] != "\\!"  # a negative space

    def _word(self, match: re.Match[str]) -> None:
        roman = "upright" in self._braces
        if match[0].lower() == "pi" and not roman:
            self._add("pi", "pi")
        elif match[0] == "sqrt":
            self._add("sqrt", "sqrt")
        else:
            self._add("inf" if match[0].lower() in _INFINITY else "word", match[0], roman=roman)

    def _indexed(self, match: re.Match[str]) -> None:
        name = match["word"] + "_" + match["index"].strip("_{}")
        self._add("var" if len(match["word"]) == 1 else "opaque", name)

    def _number(self, match: re.Match[str]) -> None:
        value = _number(match["num"], match["exponent"])
        if _DECADE.match(self._text, self._start):
            value = None
        if _IN_PAIRS.fullmatch(match["num"]) and not _is_rupees(self._text, self._start, self._at):
            value = None
        self._add("num" if value is not None else "opaque", match[0], value)

    def _repeating(self, match: re.Match[str]) -> None:
        value = _repeating(match[0])
        self._add("num" if value is not None else "opaque", match[0], value)

    def _sign(self, match: re.Match[str]) -> None:
        self._add(_KINDS.get(match[0], match[0]), match[0])

    def _brace(self, match: re.Match[str]) -> None:
        if match[0] == "{":
            self._braces.append(self._font or "group")
            if not self._font:
                self._add("{", "{")
            self._font = ""
            return
        opened = self._braces.pop() if self._braces else "none"
        if opened in ("group", "none"):
            self._add("}" if opened == "group" else "opaque", "}")
        else:
            self._spaced = self._spaced or opened == "upright"

    def _command(self, match: re.Match[str]) -> None:
        name = match[0][1:]
        if name in _NOTHING:
            return
        if name in _SPACES:
            self._spaced = True
        elif name in _FONTS and self._text[self._at : self._at + 2].lstrip()[:1] == "{":
            self._font = "upright" if name in _UPRIGHT else "font"
        elif skipped := _WITHOUT_EFFECT.match(self._text, self._start):
            self._at = skipped.end()
        elif fraction := _PLAIN_FRACTION.match(self._text, self._start):
            self._at = fraction.end()
            self._add("frac", match[0])
        elif coloured := _THEN_A_GROUP.match(self._text, self._start):
            self._at, self._font = coloured.end(), "font"
        else:
            sign = _SIGNS.get(name) or ("var" if name in _GREEK else "opaque")
            self._add(sign, name if sign == "var" else match[0])

    def _escaped(self, match: re.Match[str]) -> None:
        mark = match[0][1]
        if mark in "()[]":
            self._spaced = True  # \\( and \\[ begin mathematics
        else:
            self._add(match[0] if mark in "{}" else mark if mark in "%$" else "opaque", match[0])

    def _stars(self, match: re.Match[str]) -> None:
        if _multiplies(self._text, match, self._tokens, self._spaced):
            self._add("^" if match[0] == "**" else "*", match[0])

    def _environment(self, match: re.Match[str]) -> None:
        name = match[0].partition("{")[2].partition("}")[0]
        self._add("begin" if match[0].startswith("\\begin") else "end", name)

    def _other(self, match: re.Match[str]) -> None:
        """Handle the marks of Markdown and LaTeX, and any other character."""
        mark, after = match[0], self._text[self._at : self._at + 1]
        glued = bool(self._tokens) and not self._spaced
        if mark == "~":
            self._tilde(glued=glued, after=after)
        elif mark not in "`_" or (mark == "_" and glued and after not in ("", " ", "\n", ".")):
            self._add("opaque", mark)

    def _tilde(self, *, glued: bool, after: str) -> None:
        """Handle a tilde: about, a space of LaTeX, or unclear between two numbers."""
        if glued and self._tokens[-1].kind == "num" and after.isdigit():
            self._add("opaque", "~")
        elif glued or not _BEFORE_A_NUMBER.match(self._text, self._at):
            self._spaced = True
        else:
            self._add("≈", "~")


_HANDLERS: dict[str, Callable[[_Tokeniser, re.Match[str]], None]] = {
    "space": _Tokeniser._space, "word": _Tokeniser._word, "index": _Tokeniser._indexed, "num": _Tokeniser._number,
    "exponent": _Tokeniser._number, "repeating": _Tokeniser._repeating, "sign": _Tokeniser._sign,
    "brace": _Tokeniser._brace, "command": _Tokeniser._command, "escaped": _Tokeniser._escaped,
    "stars": _Tokeniser._stars, "environment": _Tokeniser._environment, "other": _Tokeniser._other,
}  # fmt: skip


def _is_times(around: list[Token]) -> bool:
    """Whether an x stands between two numbers: 12 x 7, 3x4, 3 x $4. `around`: the tokens from the one before it."""
    before, x, after, *then = around
    begins = after.kind in ("num", "(") or (after.kind == "$" and bool(then) and then[0].kind == "num")
    return before.kind in ("num", ")", "%") and begins and x.space == after.space


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


_DECADE = re.compile(r"[1-9][0-9]{2}0'?s\b", re.ASCII)
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
