"""Contrast: every text on every screen can be read in every theme (WCAG 2.2 AA, 4.5 to 1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_workspace import filled_workspace, shown, until
from textual.app import App
from textual.color import Color
from textual.screen import ModalScreen
from textual.theme import BUILTIN_THEMES

from crescent_tui.app import CrescentApp
from crescent_tui.content.colours import GROUNDS, INKS, LEAST_CONTRAST, SERIES, contrast, readable

THEMES = [name for name in BUILTIN_THEMES if not name.startswith("ansi")]
"""An ansi theme has the colours of the terminal, which only the terminal knows."""


def is_a_letter(character: str) -> bool:
    """Whether a character is text: neither a blank nor a line, block or dot of a drawing."""
    return not character.isspace() and not 0x2500 <= ord(character) <= 0x28FF


def faint_texts(app: App[None]) -> list[str]:
    """The texts on the screen whose contrast is too low."""
    found = []
    # What shines through around a panel is dimmed on purpose.
    region = app.screen.children[0].region if isinstance(app.screen, ModalScreen) else app.screen.region
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        for segment in strip.crop(region.x, region.right) if region.y <= y < region.bottom else ():
            style, text = segment.style, "".join(filter(is_a_letter, segment.text))
            if not text or style is None or style.color is None or style.bgcolor is None:
                continue
            ink, ground = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
            if contrast(ink, ground) < LEAST_CONTRAST:
                found.append(f"{text[:30]}: {ink.hex} on {ground.hex}, {contrast(ink, ground):.2f}")
    return found


def test_black_on_white_has_the_greatest_contrast_and_a_colour_on_itself_none() -> None:
    black, white, grey = (Color.parse(each) for each in ("#000000", "#ffffff", "#777777"))
    assert contrast(black, white) == contrast(white, black) == pytest.approx(21)
    assert contrast(grey, grey) == 1
    assert contrast(grey, white) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_of_text_can_be_read_on_every_background_of_a_theme(theme: str) -> None:
    colours = BUILTIN_THEMES[theme]
    variables = readable({**colours.to_color_system().generate(), **colours.variables})
    grounds = [Color.parse(variables[name]) for name in GROUNDS]
    for name in (*INKS, "muted", "key", *(f"curve-{index}" for index in range(len(SERIES)))):
        ink = Color.parse(variables[name])
        assert min(contrast(ink, ground) for ground in grounds) >= LEAST_CONTRAST, name
    for cursor in ("block-cursor", "block-cursor-blurred"):
        pair = (Color.parse(variables[f"{cursor}-{part}"]) for part in ("foreground", "background"))
        assert contrast(*pair) >= LEAST_CONTRAST, cursor


@pytest.mark.slow
@pytest.mark.asyncio
async def test_every_text_on_every_screen_can_be_read(tmp_path: Path) -> None:
    """In the light theme, and on each screen in another one; a change of theme takes a second."""
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    others = iter([name for name in THEMES if not name.startswith("textual")])
    faint = []
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "run 1" in shown(app))
        for key in "123456789rS":
            await pilot.press("escape", "escape", key)
            await pilot.pause(0.3)
            for theme in ("textual-light", next(others)):
                app.theme = theme
                await pilot.pause(0.1)
                faint += [f"screen {key}, {theme}: {text}" for text in faint_texts(app)]
    assert not faint, "\n".join(sorted(set(faint)))
