"""Numbers of things, in words."""


def counted(number: int, noun: str) -> str:
    """Return a number of things for people: `1 picture`, `1,200 pictures`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
