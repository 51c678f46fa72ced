#!/usr/bin/env python3
"""Draws assets/porttop.ico: three gauges of a machine that runs out of ports.

    pip install Pillow
    python3 assets/icon.py
"""

import pathlib
import sys

try:
    from PIL import Image, ImageDraw
except ImportError as missing:
    sys.exit(f"{missing}: pip install Pillow")

ICON = pathlib.Path(__file__).resolve().parent / "porttop.ico"
SIZES = [16, 24, 32, 48, 64, 256]
# Drawn in units of a sixteenth, so that the smallest icon has whole pixels.
UNITS = 16
BACKGROUND, EMPTY = "#16181d", "#3a3f4b"
GAUGES = [(4, "#4caf50"), (8, "#e0a526"), (12, "#e5484d")]


def draw(size):
    """The icon with so many pixels a side."""
    scale = max(1, 1024 // size)
    unit = size * scale / UNITS
    icon = Image.new("RGBA", (size * scale, size * scale))
    pen = ImageDraw.Draw(icon)
    pen.rounded_rectangle((0, 0, size * scale - 1, size * scale - 1), 2 * unit, BACKGROUND)
    for row, (filled, colour) in enumerate(GAUGES):
        top = (3 + 4 * row) * unit
        pen.rectangle((2 * unit, top, 14 * unit - 1, top + 2 * unit - 1), EMPTY)
        pen.rectangle((2 * unit, top, (2 + filled) * unit - 1, top + 2 * unit - 1), colour)
    return icon.resize((size, size), Image.Resampling.LANCZOS)


icons = [draw(size) for size in SIZES]
icons[-1].save(ICON, sizes=[(size, size) for size in SIZES], append_images=icons[:-1])
