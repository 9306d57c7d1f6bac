"""Text styles shared by the screens, in variables of the theme.

Example: Content.styled("no question yet", MUTED)
"""

MUTED = "$foreground 60%"
"""For explanations and other secondary text."""
HEADING = "bold $text-primary"
"""For the heading of a part of a text."""
