"""Text styles shared by the screens, in variables of the theme, and the contrast that every theme must give them.

Themes are made by others: in some, text in the accent colour on a panel has a contrast of 1.27:1. `readable` moves
such colours towards black or white until they can be read. Pure. Example:
    Content.styled("no question yet", MUTED)
    contrast(Color.parse("#ffffff"), Color.parse("#000000")) -> 21.0
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.color import Color, ColorParseError

MUTED = "$muted"
"""For explanations and other secondary text."""
HEADING = "bold $text-primary"
"""For the heading of a part of a text."""
KEY = "bold $key"
"""For the name of a key in the line at the bottom of a screen."""
WORD_STYLES = {"improved": "$text-success", "shorter": "$text-warning", "got worse": "$text-error"}
"""The colour of each word that is said of a round."""
LEAST_CONTRAST = 4.5
"""WCAG 2.2, level AA, for text."""
GROUNDS = ("background", "surface", "panel")
"""The variables of the backgrounds that text stands on."""
INKS = ("text-primary", "text-secondary", "text-accent", "text-success", "text-warning", "text-error", "foreground")
"""The variables of the theme that colour text."""
SERIES = ("primary", "accent", "success", "warning", "error", "secondary")
"""The variables of the theme from which the colours of curves are made, in the order in which they are used."""
STEPS = 20
"""Steps in which a colour is moved towards black or white."""


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two opaque colours by WCAG, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of a theme with every colour of text readable on every background.

    Adds $muted, $key and $curve-0, $curve-1 and so on. A theme in the terminal's own colours keeps them: nobody knows
    their contrast.
    """
    grounds = [found for name in GROUNDS if (found := _colour(variables, name))]
    ink = _colour(variables, "foreground")
    if len(grounds) < len(GROUNDS) or ink is None:
        curves = {f"curve-{index}": variables[name] for index, name in enumerate(SERIES)}
        return {**variables, **curves, "muted": variables["foreground"], "key": variables["text-accent"]}
    inks = {name: colour for name in INKS if (colour := _colour(variables, name))}
    inks["muted"] = grounds[0].blend(ink, 0.6, 1.0)
    inks["key"] = _colour(variables, "accent") or ink
    inks |= {f"curve-{index}": _colour(variables, name) or ink for index, name in enumerate(SERIES)}
    made = {name: legible(colour, grounds).hex for name, colour in inks.items()}
    made["text-muted"] = made["text-disabled"] = made["muted"]
    same = {name: made["foreground"] for name, value in variables.items() if value == variables["foreground"]}
    return {**variables, **same, **made, **_cursors(variables, grounds[0], Color.parse(made["foreground"]))}


def legible(colour: Color, grounds: Iterable[Color]) -> Color:
    """The colour, or the first towards black or white that can be read on all of these backgrounds."""
    grounds = list(grounds)
    if not grounds:
        return colour
    ends = sorted(
        (Color(0, 0, 0), Color(255, 255, 255)), key=lambda end: -min(contrast(end, ground) for ground in grounds)
    )
    for step in range(STEPS + 1):
        tried = colour.blend(ends[0], step / STEPS, 1.0)
        if min(contrast(tried, ground) for ground in grounds) >= LEAST_CONTRAST:
            return tried
    return ends[0]


def _cursors(variables: Mapping[str, str], ground: Color, ink: Color) -> dict[str, str]:
    """The colours of the cursor, and of whatever else has coloured ground, with text that can be read on it."""
    found: dict[str, str] = {}
    if cursor := _colour(variables, "block-cursor-background"):
        found["block-cursor-foreground"] = legible(ink, [cursor]).hex
        faint = next(
            (
                tried
                for part in (0.3, 0.25, 0.2, 0.15, 0.1, 0.05)
                if contrast(ink, tried := ground.blend(cursor, part, 1.0)) >= LEAST_CONTRAST
            ),
            ground,
        )
        found["block-cursor-blurred-background"] = faint.hex
        found["block-cursor-blurred-foreground"] = ink.hex
    return found


def _colour(variables: Mapping[str, str], name: str) -> Color | None:
    """The opaque colour of a variable; None if it has none that is known, such as a colour of the terminal."""
    try:
        found = Color.parse(variables.get(name, ""))
    except ColorParseError:
        return None
    return found if found.a == 1 and found.ansi is None else None


def _luminance(colour: Color) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
