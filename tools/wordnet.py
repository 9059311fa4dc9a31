"""Holds the categories against WordNet 3.0: `python -m tools.wordnet [FOLDER]`, after a change of either table.

A class's key says where in `data.noun` its synset is; a category should have the classes below its roots, and no
others. Where people see it otherwise, `OTHERWISE` says why. What has no roots is beyond WordNet: only counted.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tagger.vision import categories, labels

# fmt: off
ROOTS = {
    "animal": "n00015388", "bird": "n01503061", "dog": "n02084071", "bear": "n02131653", "primate": "n02469914",
    "cat": "n02121808", "wild_cat": "n02127808 n02124623",  # domestic cat; big cat, wildcat
    "hoofed_animal": "n02370806", "rodent": "n02329401 n02323449",  # ungulate; rodent, lagomorph
    "reptile": "n01661091", "amphibian": "n01627424", "fish": "n02512053",
    "insect": "n02159955 n01769347 n01784675",  # insect, arachnid, centipede
    # aquatic mammal, sea turtle, elasmobranch, mollusk, crustacean, coelenterate, echinoderm
    "sea_animal": "n02062017 n01663401 n01482071 n01940736 n01974773 n01909422 n02316707",
    "vehicle": "n04524313", "car": "n02958343", "truck": "n04490091", "bus": "n02924116", "boat": "n04530566",
    "bicycle": "n02834778 n03790512", "aircraft": "n02686568 n04264914",  # with motorcycle; with spacecraft
    "train": "n04468005 n02959942 n03684823",  # train, railcar, locomotive
    "building": "n04341686 n04105068", "furniture": "n03405725",  # structure, roof
    "food": "n00021265 n07555863", "fruit": "n07705711 n07705931", "drink": "n07881800",  # produce, edible fruit
    "clothing": "n03051540 n03380867 n02862048 n03725035 n03513376",  # with footwear, body armor, mask, helmet
    "music": "n03800933", "weapon": "n04565375 n03467984 n02739668 n03764276",  # with gun, armor, military vehicle
    "fungus": "n12992868", "flower": "n11669921",
}
"""Each category's synsets; it has those of its parts besides."""
# fmt: on

OTHERWISE = {
    "dog: looks and lives like one": "dingo",
    "bear: science has made it one since": "giant panda",
    "insect: a woodlouse is a bug to most": "isopod",
    "sea_animal: lives on land or in fresh water": "snail, slug, crayfish, isopod",
    "sea_animal: lives in the sea": "sea snake, flatworm, barracouta, rock beauty, anemone fish, lionfish, puffer",
    "vehicle: nobody rides in it": "barrow, shopping cart, missile",
    "vehicle: is driven, or a part of one": "harvester, thresher, disk brake",
    "car: is a part of one": "car mirror, car wheel, grille, odometer, seat belt",
    "car: as much as a truck": "police van",
    "truck: a car to most": "minivan, police van",
    "truck: is built as one": "snowplow",
    "bicycle: is ridden like one": "motor scooter, tricycle, unicycle",
    "train: runs on rails": "streetcar",
    "boat: is a part of one": "paddle, paddlewheel",
    "aircraft: is a part of one": "wing",
    "building: stands in one": "altar, brass, coil, fountain, grille, home theater, plate rack, scoreboard",
    "building: only bees and campers live in it": "apiary, honeycomb, mountain tent",
    "building: stands like one": "bell cote, birdhouse, drilling platform, maze, pier, water tower, solar dish",
    "building: as large as one, or a part of one": "radio telescope, shoji, window screen",
    "food: nobody eats it": "menu, hay",
    "food: sells, holds or roasts it": "bakery, butcher shop, confectionery, grocery store, soup bowl, rotisserie",
    "food: is eaten": "honeycomb",
    "fruit: no longer looks like one": "mashed potato",
    "fruit: is eaten, or looks like it": "corn, ear, hip",
    "drink: holds one": "beer bottle, beer glass, pop bottle, water bottle, wine bottle",
    "clothing: hangs on a wall, or in a car": "Christmas stocking, seat belt",
    "clothing: is worn": "bib, breastplate, buckle, cloak, digital watch, hair slide, necklace, sunglass, sunglasses",
    "clothing: is carried, or sold there": "backpack, purse, umbrella, wallet, shoe shop",
    "music: plays it": "cassette, cassette player, CD player, iPod, loudspeaker, microphone, radio, tape player",
    "music: is made with it, or there": "drumstick, pick, stage, whistle",
    "furniture: stands in a room": "chest, fire screen",
    "weapon: belongs to one": "breastplate, gasmask, guillotine, holster, pickelhaube, scabbard",
    "fungus: is one, and food too": "mushroom",
    "flower: its flower is what is seen": "cardoon, rapeseed",
}
"""Classes of which people think otherwise than WordNet, whichever of the two has them in the category."""


def hypernyms(file: Path) -> dict[str, list[str]]:
    """Keys of all nouns' synsets → those right above them."""
    lines = (line.split() for line in file.read_text("utf-8").splitlines() if line[0] != " ")  # the licence
    return {f"n{fields[0]}": list(_right_above(fields)) for fields in lines}


def _right_above(fields: list[str]) -> Iterator[str]:
    """`wninput(5WN)`: so many words, a hexadecimal; then so many pointers, each of four fields."""
    start = 4 + 2 * int(fields[3], 16)
    for at in range(start + 1, start + 1 + 4 * int(fields[start]), 4):
        if fields[at] in ("@", "@i"):
            yield f"n{fields[at + 1]}"


def above(key: str, upwards: dict[str, list[str]]) -> set[str]:
    return {key}.union(*(above(parent, upwards) for parent in upwards[key]))


def deviations(upwards: dict[str, list[str]]) -> Iterator[str]:
    """A line for each that is not explained, and for each explanation that explains nothing."""
    known, names = categories.load(), {label.key: label.name for label in labels.imagenet()}
    lines = {key: above(key, upwards) for key in names}
    for key in ROOTS:
        family = [key, *(one.key for one in known.categories if key in one.within)]
        roots = {root for one in family for root in ROOTS[one].split()}
        ours = {names[label] for label in known.members[key]}
        theirs = {names[label] for label, line in lines.items() if line & roots}
        yield from (f"{key} lacks {name}" for name in sorted(theirs - ours - _excused(family)))
        yield from (f"{key} has {name}" for name in sorted(ours - theirs - _excused(family)))
        yield from (f"{key} needs no excuse for {name}" for name in sorted(_excused([key]) - (ours ^ theirs)))


def _excused(family: list[str]) -> set[str]:
    some = (names for why, names in OTHERWISE.items() if why.split(":")[0] in family)
    return {name for names in some for name in names.split(", ")}


def main(folder: Path) -> int:
    found = list(deviations(hypernyms(folder / "data.noun")))
    rest = sorted(item for item in categories.load().members.items() if item[0] not in ROOTS)
    counts = ", ".join(f"{key} {len(members)}" for key, members in rest)
    sys.stdout.writelines(f"{line}\n" for line in [*found, f"not judged: {counts}"])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet")))
