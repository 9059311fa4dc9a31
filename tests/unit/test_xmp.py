"""Keywords in XMP: ours come and go, everyone else's stay."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.export.keywords import Keywords
from tagger.export.xml_tree import MalformedError
from tagger.export.xmp import OURS, merged

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DC = "{http://purl.org/dc/elements/1.1/}"
LIGHTROOM = "{http://ns.adobe.com/lightroom/1.0/}"

NOBODY = Keywords((), ())
DOG = Keywords(("beagle", "dog"), ("animal|dog", "beagle"))
CAT = Keywords(("cat",), ("animal|cat",))

BUSY = """<?xml version="1.0" encoding="UTF-8"?>
<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>
<!-- by hand -->
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Other 1.0'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
 <rdf:Description rdf:about='uuid:1' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmlns:odd='http://example.org/odd/'
   xmp:Rating='4' odd:note='one&#10;two&#13;&#9;"three" &lt;&amp;'>
  <odd:deep rdf:parseType='Resource'><odd:a><![CDATA[<raw> & ]]></odd:a><odd:b xml:lang='de'>x&#13;y</odd:b></odd:deep>
  <odd:seq><rdf:Seq><rdf:li>dog</rdf:li><rdf:li rdf:resource='http://example.org/'/></rdf:Seq></odd:seq>
 </rdf:Description>
 <rdf:Description rdf:about='uuid:1' xmlns:d='http://purl.org/dc/elements/1.1/'>
  <d:subject><rdf:Bag><rdf:li>holiday</rdf:li><!-- ours --><rdf:li>dog</rdf:li></rdf:Bag></d:subject>
 </rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>"""


def keywords(packet: bytes, name: str = f"{DC}subject") -> list[str]:
    """As another reader finds them."""
    found = ElementTree.fromstring(packet).iterfind(f".//{name}/*/{RDF}li")  # noqa: S314 - ours
    return [item.text or "" for item in found]


def written(data: bytes, wanted: Keywords) -> bytes:
    packet = merged(data, wanted)
    assert packet is not None
    return packet


def packet_of(inside: str, attributes: str = "") -> bytes:
    return (
        f"<rdf:RDF xmlns:rdf='{RDF[1:-1]}' xmlns:dc='{DC[1:-1]}'>"
        f"<rdf:Description rdf:about='' {attributes}>{inside}</rdf:Description></rdf:RDF>"
    ).encode()


def test_a_new_packet_has_the_keywords_flat_and_within_one_another() -> None:
    packet = written(b"", DOG)
    assert keywords(packet) == ["beagle", "dog"]
    assert keywords(packet, f"{LIGHTROOM}hierarchicalSubject") == ["animal|dog", "beagle"]


def test_without_keywords_no_packet_is_begun() -> None:
    assert merged(b"", NOBODY) is None


def test_the_same_keywords_again_change_nothing() -> None:
    assert merged(written(b"", DOG), DOG) is None


def test_what_holds_no_more_is_taken_out_and_what_others_wrote_stays() -> None:
    packet = written(BUSY.encode(), DOG)
    assert keywords(packet) == ["holiday", "dog", "beagle"]
    packet = written(packet, CAT)
    assert keywords(packet) == ["holiday", "dog", "cat"]
    assert keywords(packet, f"{LIGHTROOM}hierarchicalSubject") == ["animal|cat"]


def test_once_ours_are_gone_everything_is_as_it_was() -> None:
    """Prefixes, comments, line ends in values, and what is in other properties of the same name."""
    back = written(written(BUSY.encode(), DOG), NOBODY)
    assert OURS.encode() not in back
    assert ElementTree.canonicalize(back, with_comments=True) == ElementTree.canonicalize(
        BUSY, with_comments=True
    )


def test_a_keyword_that_a_person_took_out_is_not_put_back() -> None:
    packet = written(b"", DOG)
    without = packet.replace(b"<rdf:li>beagle</rdf:li>", b"", 1)
    assert merged(without, DOG) is None
    again = written(written(without, CAT), DOG)
    assert sorted(keywords(again)) == ["beagle", "dog"]


def test_a_second_of_our_keyword_is_someone_else_s() -> None:
    packet = written(b"", DOG).replace(
        b"<rdf:li>dog</rdf:li>", b"<rdf:li>dog</rdf:li><rdf:li>dog</rdf:li>", 1
    )
    assert keywords(written(packet, NOBODY)) == ["dog"]


@pytest.mark.parametrize(
    "packet",
    [
        packet_of("", "dc:subject='mine'"),
        packet_of("<dc:subject>mine</dc:subject>"),
        packet_of("<dc:subject><rdf:Seq><rdf:li>mine</rdf:li></rdf:Seq></dc:subject>"),
        packet_of("<dc:subject><rdf:Bag><rdf:li> mine\n</rdf:li></rdf:Bag></dc:subject>"),
    ],
)
def test_a_keyword_is_found_in_whichever_form_it_was_written(packet: bytes) -> None:
    more = written(packet, Keywords(("mine", "dog"), ()))
    assert [word.strip() for word in keywords(more)] == ["mine", "dog"]
    assert [word.strip() for word in keywords(written(more, NOBODY))] == ["mine"]
    assert b"dc:subject=" not in more


@pytest.mark.parametrize("inside", ["", "<rdf:RDF xmlns:rdf='{}'/>", "<rdf:RDF xmlns:rdf='{}'></rdf:RDF>"])
def test_a_packet_that_says_nothing_yet_is_begun(inside: str) -> None:
    packet = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{inside.format(RDF[1:-1])}</x:xmpmeta>".encode()
    if inside:
        assert keywords(written(packet, DOG)) == ["beagle", "dog"]
    else:
        with pytest.raises(MalformedError, match="one rdf:RDF"):
            merged(packet, DOG)


def test_prefixes_that_mean_something_else_there_do_no_harm() -> None:
    packet = (
        f"<RDF xmlns='{RDF[1:-1]}' xmlns:r='{RDF[1:-1]}' xmlns:dc='urn:a' xmlns:lr='urn:b' xmlns:rdf='urn:c'>"
        "<Description r:about=''><dc:subject>theirs</dc:subject></Description></RDF>"
    )
    more = written(packet.encode(), DOG)
    assert keywords(more) == ["beagle", "dog"]
    assert [one.text for one in ElementTree.fromstring(more).iter("{urn:a}subject")] == ["theirs"]  # noqa: S314


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_every_encoding_of_xml_is_read(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    packet = (
        f"<?xml version='1.0' encoding='{declared}'?>{packet_of('<dc:subject>Äpfel</dc:subject>').decode()}"
    )
    assert keywords(written(packet.encode(encoding), DOG))[0] == "Äpfel"


ENTITIES = "".join(f"<!ENTITY e{n + 1} '{f'&e{n};' * 10}'>" for n in range(9))


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"no xml", "not XMP"),
        (b"<a/>", "one rdf:RDF"),
        (BUSY.encode()[:-200], "not XMP"),
        (b"<a:b/>", "not XMP"),
        (b"<?xml version='1.0' encoding='no-such'?><a/>", "not XMP"),
        (b"\0" * 100, "not XMP"),
        (b"<a>" * 5000 + b"</a>" * 5000, "too deep"),
        (f"<!DOCTYPE a [<!ENTITY e0 'x'>{ENTITIES}]><a>&e9;</a>".encode(), "DOCTYPE"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "DOCTYPE"),
        (packet_of("<dc:subject rdf:parseType='Resource'><dc:a/></dc:subject>"), "not a list"),
    ],
)
def test_what_is_no_xmp_is_refused_in_words(packet: bytes, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        merged(packet, DOG)


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp", "Cn")), min_size=1)
WORDS = st.lists(WORD.filter(lambda word: word == word.strip()), unique=True, max_size=5)


@given(WORDS, WORDS)
def test_any_words_can_be_keywords_and_can_be_taken_back(before: list[str], after: list[str]) -> None:
    theirs = packet_of("<dc:subject><rdf:Bag><rdf:li>mine</rdf:li></rdf:Bag></dc:subject>")
    for words in (before, after):
        theirs = merged(theirs, Keywords(tuple(words), tuple(words))) or theirs
        assert set(keywords(theirs)) == {"mine", *words}
