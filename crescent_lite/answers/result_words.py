"""Closed classes of words by which a sentence states a result: so, in total, that leaves, the area is.

Each class is a set of words in lower case. The words that speak against a result are in `doubts`. Example:
    "therefore" in ADVERBS    # True
"""

from __future__ import annotations

from crescent_lite.answers.words import word_set

ADVERBS = word_set(
    "so therefore thus hence consequently accordingly altogether overall total finally ultimately remain remains "
    "remaining conclude conclusion leaving making giving totaling totalling equals"
)
"""Words that say wherever they stand that a result follows."""
RESULT_VERBS = word_set("get gets got gives makes leaves obtain obtained find found equals comes means yields")
"""Verbs that say it after "that", "this", "we" or a participle: that leaves 12."""
COMPUTED = word_set(
    "answer answers result results total sum difference product quotient remainder average mean median mode range "
    "number percentage percent fraction proportion ratio probability chance area volume perimeter circumference "
    "solution solutions value values root roots vertex midpoint slope determinant gcd lcm hcf set profit gain loss "
    "largest smallest greatest least highest lowest larger smaller maximum minimum rest discount final matrix point "
    "interval domain equation discriminant count list sequence"
)
"""Names of what is computed rather than given."""
QUANTITIES = COMPUTED | word_set(
    "length width height distance speed rate time cost price change age weight mass radius diameter side angle "
    "hypotenuse diagonal depth temperature salary income revenue earnings savings balance amount date year day "
    "density term terms digit interest tax tip pages students legs points people"
)
"""Names of quantities that can stand before a colon as a label, or be stated after a calculation."""
LABELS = COMPUTED | ADVERBS | RESULT_VERBS | word_set("left totals remained becomes")
"""Words that make the words before a colon the label of a result."""
RESULTS_ELSEWHERE = word_set(
    "respuesta resultado total réponse résultat antwort ergebnis lösung insgesamt also daher folglich deshalb somit "
    "luego entonces tanto quedan queda final donc reste risposta risultato quindi dunque resposta portanto logo "
    "restam ответ итого следовательно значит поэтому শেষ endpreis"
)
"""Words of a result in other common languages that are written with spaces."""
RESULTS_UNSPACED = (
    "उत्तर", "कुल", "इसलिए", "জবাব", "الجواب", "đáp", "答", "共", "所以", "因此", "总",
    "總", "合计", "したがって", "よって", "정답", "따라서", "총", "답",
)  # fmt: skip
"""The same of other scripts."""
LEADS = word_set("is are was were equals be gives get have yields becomes answer result")
"""Last words of a line that leads to a value on the next one."""
DEFINITE = word_set("the its his her their our this that")
"""Words before the name of a quantity of which the task speaks."""
UNITS = word_set(
    "second minute hour day week month year decade century km kilometer kilometre meter metre cm centimeter mm inch "
    "foot yard mile kg kilogram gram pound ounce liter litre gallon quart pint cup dozen dollar cent nickel dime "
    "quarter triangle circle square fortnight score byte"
)
"""Things of which everybody knows how many make another one."""
