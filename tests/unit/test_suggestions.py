"""Names are proposed for typing errors and for everyday words, and for nothing else; the words are those people tried."""

import pytest

from tagger.records import Category, Label
from tagger.search.suggestions import as_clause, is_about_a_time, names_like, with_its_score, written
from tagger.vision import categories, labels

TYPED = """
    goldfsh=goldfish espreso=espresso labradoor=labrador trafic_light=traffic_light screan=screen vehical=vehicle
    gofl_ball=golf_ball golden_retreiver=golden_retriever bycicle=bicycle bananna=banana keybord=keyboard laptp=laptop
    zebre=zebra brocolli=broccoli pinaple=pineapple ambulence=ambulance motorcicle=motorcycle umbrela=umbrella
    mushrom=mushroom strawbery=strawberry tigar=tiger moutain=mountain bulding=building computr=computer
    televison=television cofee_mug=coffee_mug micorwave=microwave restaraunt=restaurant volcanoe=volcano piza=pizza
    chese_burger=cheeseburger spidr=spider catt=cat dogg=dog
"""
NO_NAMES = """
    battle_scene main_city reject lobby inventory boss_fight loading_screen login victory defeat hero character birthday
    holiday beach_party alice paris london vacation wedding level quest error warning settings delivery front_door
    zzzzzz x 1234 qwertyuiop lorem_ipsum
"""
EVERYDAY = """
    photo_of_a_person=person picture_of_a_dog=dog selfie=person baby=person phone=cellular_telephone sofa=furniture
    forest=landscape kitchen=indoor house=building tree=plant burger=cheeseburger coffee=espresso horse=hoofed_animal
    monkey=primate snake=reptile guitar=music shoe=clothing receipt=text bottle=kitchenware shark=great_white_shark
"""
RESOLVE = [
    "car",
    "laptop",
    "plane",
    "bike",
    "people",
    "tv",
    "motorbike",
    "puppy",
    "kitten",
    "truck",
    "desk",
    "lorry",
]


@pytest.fixture(scope="module")
def known() -> set[str]:
    """All that the labels of ImageNet-1k and the categories are called."""
    every: list[Label | Category] = [*labels.imagenet(), *categories.load().categories]
    return {name.casefold() for one in every for name in one.names}


def pairs(text: str) -> list[tuple[str, str]]:
    return [(a, b) for a, _, b in (one.replace("_", " ").partition("=") for one in text.split())]


@pytest.mark.parametrize(("given", "name"), pairs(TYPED))
def test_a_typing_error_is_told_the_name_it_is_of(known: set[str], given: str, name: str) -> None:
    assert given not in known
    assert name in names_like(given, known)


@pytest.mark.parametrize("given", [given for given, _ in pairs(NO_NAMES)])
def test_what_is_nothing_s_name_is_told_none(known: set[str], given: str) -> None:
    assert names_like(given, known) == []


@pytest.mark.parametrize(("given", "name"), pairs(EVERYDAY))
def test_an_everyday_word_is_told_what_means_it(known: set[str], given: str, name: str) -> None:
    assert given not in known
    assert name in names_like(given, known)


@pytest.mark.parametrize("word", RESOLVE)
def test_everyday_words_that_are_synonyms_need_no_telling(known: set[str], word: str) -> None:
    assert word in known


def test_a_name_is_proposed_only_where_the_model_has_it() -> None:
    assert names_like("selfie", {"dog", "cat"}) == []
    assert names_like("起重", {"起重机", "鹤"}) == ["起重机"]


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ("yesterday", "since yesterday until today"),
        ("dog yesterday", "dog since yesterday until today"),
        ("golden retriever last week", "golden retriever since 7d"),
        ("2024", "since 2024-01-01 until 2024-12-31T23:59"),
        ("snow 3 days ago", "snow since 3d"),
        ("night", "is:night"),
        ("car at night", "car is:night"),
        ("black and white", "is:monochrome"),
        ("Screenshots", "is:screenshot"),
        ("blurry", "is:blurred"),
        ("knight", None),
        ("battle scene", None),
    ],
)
def test_times_and_conditions_are_asked_for_by_clauses(given: str, query: str | None) -> None:
    assert as_clause(given) == query


@pytest.mark.parametrize("given", ["january", "dog in May", "last monday", "this morning"])
def test_of_other_times_it_is_known_that_they_are_times(given: str) -> None:
    assert is_about_a_time(given)
    assert not is_about_a_time("dismay")


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ("vehicle 0.5", "vehicle >= 0.5"),
        ("sports car 50%", "sports car >= 50%"),
        ("boeing 747", None),
        ("dog", None),
    ],
)
def test_a_number_behind_a_name_is_its_score(given: str, query: str | None) -> None:
    assert with_its_score(given) == query


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("sports car", "sports car"),
        ("crane (bird)", '"crane (bird)"'),
        ("bread and butter", '"bread and butter"'),
    ],
)
def test_a_proposal_is_written_as_a_query_has_it(name: str, query: str) -> None:
    assert written(name) == query
