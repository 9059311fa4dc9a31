from tagger.pipeline.overdue import Overdue


def test_work_is_overdue_after_more_looks_than_are_allowed() -> None:
    overdue = Overdue(looks=2)
    with overdue.during("decoding", "/cam/a\n.png"):
        assert [overdue.look(), overdue.look()] == [None, None]
        assert overdue.look() == "decoding /cam/a\\n.png"


def test_what_is_finished_is_not_overdue() -> None:
    overdue = Overdue(looks=1)
    for _ in range(5):
        with overdue.during("decoding", "/cam/a.png"):
            assert overdue.look() is None
    assert overdue.look() is None


def test_one_that_hangs_is_found_among_others() -> None:
    overdue = Overdue(looks=2)
    with overdue.during("decoding", "/cam/bad.png"):
        found = []
        for number in range(4):
            with overdue.during("decoding", f"/cam/{number}.png"):
                found.append(overdue.look())
    assert found == [None, None, "decoding /cam/bad.png", "decoding /cam/bad.png"]
