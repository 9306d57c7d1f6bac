"""Colours that more than one screen says things in, as variables of the theme.

Example: Content.styled("no question yet", MUTED)
"""

MUTED = "$foreground 60%"
"""What explains and is not the thing itself."""
HEADING = "bold $text-primary"
"""What a part of a text is about."""
