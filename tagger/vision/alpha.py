"""Alpha that says nothing: games and emulators write screenshots without one opaque pixel, and mean their colours."""

from PIL import Image

_FEW = 16
"""Pixels a side of what is looked at first: for nearly all pictures they are enough to tell."""


def meant(rgba: Image.Image, made_of: Image.Image) -> Image.Image:
    """Return an RGBA picture as it is meant: RGB where nothing at all is opaque.

    Only where each pixel or palette entry says how opaque it is: a single colour that is clear was made so by somebody.
    """
    is_told = made_of.mode.endswith(("A", "a")) or isinstance(made_of.info.get("transparency"), bytes)
    return rgba.convert("RGB") if is_told and _is_clear(rgba) else rgba


def _is_clear(rgba: Image.Image) -> bool:
    few = rgba.resize((_FEW, _FEW), Image.Resampling.NEAREST)
    return not any(one.getchannel("A").getextrema()[1] for one in (few, rgba))
