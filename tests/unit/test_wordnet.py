"""The categories, held against WordNet where it is installed."""

from pathlib import Path

import pytest

from tools import wordnet

FOLDER = Path("/usr/share/wordnet")


def test_hypernyms_are_read(tmp_path: Path) -> None:
    lines = [
        "  1 This is the licence",
        "00001740 03 n 02 pup 0 whelp 0 002 @ 00001930 n 0000 ~ 00002137 n 0000 | young",
    ]
    lines.append("00001930 03 n 01 dog 0 000 | barks")
    (tmp_path / "data.noun").write_text("\n".join(lines))
    upwards = wordnet.hypernyms(tmp_path / "data.noun")
    assert upwards == {"n00001740": ["n00001930"], "n00001930": []}
    assert wordnet.above("n00001740", upwards) == {"n00001740", "n00001930"}


@pytest.mark.skipif(
    not (FOLDER / "data.noun").exists(), reason="WordNet is not installed: apt install wordnet-base"
)
class TestWithWordNet:
    def test_the_categories_deviate_only_where_it_is_explained(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert wordnet.main(FOLDER) == 0, capsys.readouterr().out

    def test_a_class_that_is_missing_or_wrong_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        roots = wordnet.ROOTS | {"dog": wordnet.ROOTS["cat"]}
        monkeypatch.setattr(wordnet, "ROOTS", roots)
        told = set(wordnet.deviations(wordnet.hypernyms(FOLDER / "data.noun")))
        assert {"dog lacks tabby", "dog has beagle"} <= told

    def test_an_excuse_for_nothing_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(wordnet.OTHERWISE, "cat: purrs", "tabby")
        told = list(wordnet.deviations(wordnet.hypernyms(FOLDER / "data.noun")))
        assert told == ["cat needs no excuse for tabby"]
