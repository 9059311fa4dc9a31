"""What to say of a word that nothing is called by: names that are spelled or meant alike, or how to ask for it otherwise.

What is spelled nearly alike, `wording.nearest` tells. Here is what means the same, and what is asked for otherwise.
"""

import re
from collections.abc import Collection, Mapping

from tagger.wording.nearest import MOST, spelled

HOW_TIMES_ARE_ASKED = "a time is asked for by since and until, as in: since 2026-03-01 until 2026-03-31"
UNTAUGHT = (
    "the model does not know such a word; tagger teach has it learn words of your own from pictures of them"
)

_OF_A_PICTURE = re.compile(r"(?:a |the )?(?:photo|picture|image|pic)s? (?:of|with) (?:an? |the |some )?(?=.)")

_MEANT = {
    "person": "face, faces, man, men, woman, women, boy, girl, child, children, kid, kids, baby, family, crowd, portrait, "
    "selfie, pedestrian, visitor, postman, grandma",
    "cellular telephone": "phone, iphone, telephone",
    "dial telephone": "phone, telephone",
    "car": "suv, traffic, license plate, parking lot",
    "minivan": "van",
    "moving van": "van",
    "police van": "police, van",
    "ambulance": "paramedic",
    "aircraft": "jet, helicopter, drone",
    "train": "subway, tram",
    "landscape": "forest, grass, lawn, sky, cloud, clouds, sunset, sunrise, garden, yard, park, tree, trees, wood",
    "water": "lake, ocean, pool",
    "plant": "tree, trees, grass, forest, garden, hedge",
    "building": "house, home, tower, bridge, school, warehouse, garage",
    "outdoor": "street, road, highway, sky, garden, yard, park, parking lot",
    "indoor": "room, kitchen, bathroom, bedroom, living room",
    "furniture": "sofa, couch, chair, table, bed",
    "studio couch": "sofa, couch",
    "kitchenware": "glass, bottle, knife, fork, spoon, pot, pan",
    "light": "lamp",
    "food": "breakfast, lunch, dinner, cake, bread, sandwich",
    "cheeseburger": "burger, hamburger",
    "granny smith": "apple, apples",
    "drink": "coffee, tea, beer, wine",
    "espresso": "coffee",
    "hoofed animal": "horse, horses, cow, cows, sheep, goat, deer, elephant, giraffe",
    "sorrel": "horse, horses",
    "ox": "cow, cows",
    "rodents and rabbits": "rat, squirrel",
    "primate": "monkey",
    "reptile": "snake, turtle, crocodile, lizard",
    "amphibian": "frog, toad",
    "sea animal": "whale, dolphin, jellyfish",
    "fish": "shark",
    "bird": "chicken, duck, penguin, owl, eagle, parrot",
    "insects and spiders": "butterfly",
    "animal": "pet, pets, fox, wolf",
    "flower": "rose, roses",
    "text": "document, letter, receipt, invoice, paper, book, sign",
    "music": "guitar, piano",
    "clothing": "shoe, shoes, shirt, dress, hat",
    "container": "bag, box, parcel",
    "weapon": "gun, sword, knife",
    "sport": "ball, soccer",
    "toy": "doll",
    "snow": "ice",
    "textile": "curtain, towel",
    "office": "paper, desk",
}
"""What people try that no label is called → what is. Words within labels' names need not stand here."""


def meant(given: str, known: Collection[str]) -> list[str]:
    """Return names that mean what `given` says, of those `known`; both without capitals."""
    plain = _OF_A_PICTURE.sub("", given)
    if plain != given and plain in known:
        return [plain]
    everyday = [name for name, words in _MEANT.items() if plain in words.split(", ") and name in known]
    kinds = sorted(name for name in known if name.endswith(f" {plain}"))
    return list(dict.fromkeys([*everyday, *kinds]))[:MOST]


def names_like(given: str, known: Collection[str]) -> list[str]:
    """Return names, of those `known`, that `given` is likely meant for; all without capitals."""
    return meant(given, known) or spelled(given, known)


_TIMES: Mapping[str, str] = {
    "today": "since today",
    "yesterday": "since yesterday until today",
    "(?:last|this|past) hour": "since 1h",
    "last night": "since 24h",
    "(?:last|this|past) week": "since 7d",
    "(?:last|this|past) month": "since 30d",
    "(?:last|this|past) year": "since 365d",
    r"(?:in )?((?:19|20)\d\d)": r"since \1-01-01 until \1-12-31T23:59",
    r"(\d+) (?:(h)ours?|(d)ays?|(w)eeks?)(?: ago)?": r"since \1\2\3\4",
}
_SOME_TIME = re.compile(
    r"(?:.* )?(?:january|february|march|april|may|june|july|august|september|october|november|december|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|morning|afternoon|evening)s?"
)
_CONDITIONS: Mapping[str, str] = {
    "night|nights|at night|night ?time|infrared": "is:night",
    "dark|too dark|darkness": "is:dark",
    "blurred|blurry|blur|out of focus|unsharp": "is:blurred",
    "blank|empty": "is:blank",
    "monochrome|black and white|grayscale|greyscale|colou?rless": "is:monochrome",
    "screen ?shots?|screen ?captures?|screen ?grabs?": "is:screenshot",
    "indoors?|inside": "is:indoor",
    "outdoors?|outside": "is:outdoor",
}
_RESERVED = re.compile(r"(?<!\S)(?:and|or|not|since|until|in|uncertain)(?!\S)", re.IGNORECASE)
_SCORE = re.compile(r"(.*\S)\s+(0?\.\d+|1\.0+|\d{1,2}\s?%)", re.DOTALL)


def with_its_score(given: str) -> str | None:
    """Return `vehicle >= 0.5` for `vehicle 0.5`; None where no score ends it."""
    found = _SCORE.fullmatch(given)
    return f"{found[1]} >= {found[2]}" if found else None


def as_clause(given: str) -> str | None:
    """Return the query for a name that ends in words about a time or a condition; None where it does not.

    What is before them stays: of `dog yesterday` comes `dog since yesterday until today`.
    """
    for pattern, clause in (*_TIMES.items(), *_CONDITIONS.items()):
        if found := re.fullmatch(
            rf"(?P<before>.*?\S\s+)??(?P<rest>{pattern})", given, re.IGNORECASE | re.DOTALL
        ):
            asked = re.fullmatch(pattern, found["rest"], re.IGNORECASE)
            return (found["before"] or "") + (asked.expand(clause) if asked else clause)
    return None


def is_about_a_time(given: str) -> bool:
    """Return whether it ends in words about a time that no clause is sure of, such as a month or a day of the week."""
    return bool(_SOME_TIME.fullmatch(given.casefold()))


def written(name: str) -> str:
    """Return a name as it is written in a query: what would be read as something else there, in quotes."""
    if not (re.search(r'[()（）:：<>=≤≥"“”]', name) or _RESERVED.search(name)):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
