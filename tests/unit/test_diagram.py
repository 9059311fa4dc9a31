from xml.etree import ElementTree

from benchmarks.diagram import Panel, Reliability, svg

SVG = "{http://www.w3.org/2000/svg}"
PANEL = Panel(
    "one model, 40 pictures", [Reliability(0.2, 0.5)], [Reliability(0.5, 0.52), Reliability(0.9, 0.88)]
)


def test_each_group_is_a_point_and_is_told_in_words() -> None:
    root = ElementTree.fromstring(svg([PANEL, PANEL]))  # noqa: S314 - ours
    assert len(root.findall(f"{SVG}circle")) == 2 * 2 + 1  # and one that the legend explains
    told = root.findtext(f"{SVG}desc") or ""
    assert "one model, 40 pictures: a mean score of 0.50 is right 52%, 0.90 is right 88%" in told


def test_scores_that_are_true_lie_on_the_diagonal() -> None:
    root = ElementTree.fromstring(svg([Panel("", [], [Reliability(0.25, 0.25)])]))  # noqa: S314
    [point, _] = root.findall(f"{SVG}circle")
    frame = root.findall(f"{SVG}rect")[1]
    left, top, side = (float(frame.attrib[key]) for key in ("x", "y", "width"))
    assert (float(point.attrib["cx"]), float(point.attrib["cy"])) == (left + side / 4, top + side * 3 / 4)


def test_nothing_comes_from_elsewhere() -> None:
    text = svg([PANEL]).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in text
