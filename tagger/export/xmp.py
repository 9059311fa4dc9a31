"""An XMP packet, with our keywords in it and everything else as it was.

Which keywords are ours is kept in the packet itself, in a namespace of our own. What was there before us is not ours
and stays; what is ours and was taken out by someone is not put back.

Rejected: python-xmp-toolkit, which needs a library of the system's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.dom import Node

from tagger.export.keywords import Keywords
from tagger.export.xml_tree import MalformedError, parsed, written

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
OURS = "https://tagger.invalid/xmp/1.0/"
"""`.invalid` is reserved: nobody else can come to own this name."""

_LISTS = ("Bag", "Seq", "Alt")
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f' <rdf:RDF xmlns:rdf="{_RDF}">\n'
    f'  <rdf:Description rdf:about="" xmlns:dc="{_DC}" xmlns:lr="{_LIGHTROOM}" xmlns:tagger="{OURS}">\n'
    "  </rdf:Description>\n"
    " </rdf:RDF>\n"
    "</x:xmpmeta>\n"
    '<?xpacket end="w"?>'
).encode()


@dataclass(frozen=True, slots=True)
class _Property:
    uri: str
    name: str

    @property
    def local(self) -> str:
        return self.name.partition(":")[2]


_FLAT = _Property(_DC, "dc:subject"), _Property(OURS, "tagger:subject")
_PATHS = (
    _Property(_LIGHTROOM, "lr:hierarchicalSubject"),
    _Property(OURS, "tagger:hierarchicalSubject"),
)


def merged(data: bytes, keywords: Keywords) -> bytes | None:
    """Return the packet with these keywords in place of ours of before; None where it has them. `data` may be empty.

    Raises MalformedError where it cannot be read as XMP.
    """
    if not data and not keywords.flat:
        return None
    with parsed(data or _EMPTY) as document:
        rdf = _rdf(document)
        changes = [
            _merge(rdf, *_FLAT, keywords.flat),
            _merge(rdf, *_PATHS, keywords.paths),
        ]
        return written(document).encode() if any(changes) else None


def _merge(rdf: Any, public: _Property, record: _Property, wanted: Iterable[str]) -> bool:
    """Bring one property up to date, and return whether anything had to change."""
    there, recorded = _values(rdf, public), _values(rdf, record)
    stale = [word for word in recorded if word not in wanted]
    new = [word for word in wanted if word not in there and word not in recorded]
    _remove(rdf, public, stale)
    _remove(rdf, record, stale)
    _add(rdf, public, new)
    _add(rdf, record, new)
    return bool(stale or new)


def _rdf(document: Any) -> Any:
    found = document.getElementsByTagNameNS(_RDF, "RDF")
    if len(found) != 1:
        raise MalformedError("is not XMP: it must have one rdf:RDF")
    return found[0]


def _elements(node: Any) -> list[Any]:
    return [child for child in node.childNodes if child.nodeType == Node.ELEMENT_NODE]


def _is(node: Any, uri: str, *names: str) -> bool:
    return node.namespaceURI == uri and node.localName in names


def _properties(rdf: Any, wanted: _Property) -> Iterator[Any]:
    for about in _elements(rdf):
        yield from (child for child in _elements(about) if _is(child, wanted.uri, wanted.local))


def _items(rdf: Any, wanted: _Property) -> Iterator[Any]:
    for found in _properties(rdf, wanted):
        for items in _elements(found):
            if _is(items, _RDF, *_LISTS):
                yield from (item for item in _elements(items) if _is(item, _RDF, "li"))


def _attributes(rdf: Any, wanted: _Property) -> Iterator[tuple[Any, Any]]:
    """Yield each element that has the property as an attribute, and that: one with a single value may be written so."""
    for about in _elements(rdf):
        if found := about.getAttributeNodeNS(wanted.uri, wanted.local):
            yield about, found


def _plain(node: Any) -> str:
    """Return the node's text; empty where it is more than text."""
    if _elements(node):
        return ""
    texts = (Node.TEXT_NODE, Node.CDATA_SECTION_NODE)
    return "".join(child.data for child in node.childNodes if child.nodeType in texts).strip()


def _values(rdf: Any, wanted: _Property) -> list[str]:
    listed = [_plain(item) for item in _items(rdf, wanted)]
    single = [_plain(found) for found in _properties(rdf, wanted)]
    return [*listed, *filter(None, single), *(found.value for _, found in _attributes(rdf, wanted))]


def _remove(rdf: Any, wanted: _Property, words: Iterable[str]) -> None:
    """Remove each word once: a second of the same is someone else's."""
    for word in words:
        for item in _items(rdf, wanted):
            if _plain(item) == word:
                _take_away(item)
                break
    for found in list(_properties(rdf, wanted)):
        if words and _elements(found) and not any(map(_elements, _elements(found))):
            _take_away(found)


def _take_away(node: Any) -> None:
    before, parent = node.previousSibling, node.parentNode
    if before is not None and _is_blank(before):
        parent.removeChild(before)
    parent.removeChild(node)


def _add(rdf: Any, wanted: _Property, words: Iterable[str]) -> None:
    if words:
        items = _list(rdf, wanted)
        for word in words:
            _add_item(items, word)


def _add_item(items: Any, word: str) -> None:
    _new(items, _RDF, "rdf:li").appendChild(items.ownerDocument.createTextNode(word))


def _list(rdf: Any, wanted: _Property) -> Any:
    """Return the element with the property's items; a single value becomes the first of them."""
    single = [word for word in _values(rdf, wanted) if word]
    found = next(_properties(rdf, wanted), None) or _new(_subject(rdf), wanted.uri, wanted.name)
    for items in _elements(found):
        if _is(items, _RDF, *_LISTS):
            return items
    if _elements(found):
        raise MalformedError(f"its {wanted.name} is not a list")
    return _made_a_list(rdf, found, wanted, single)


def _made_a_list(rdf: Any, found: Any, wanted: _Property, single: list[str]) -> Any:
    for about, attribute in list(_attributes(rdf, wanted)):
        about.removeAttributeNode(attribute)
    for child in list(found.childNodes):
        found.removeChild(child)
    items = _new(found, _RDF, "rdf:Bag")
    for word in single:
        _add_item(items, word)
    return items


def _subject(rdf: Any) -> Any:
    """Return the element with what is said of the picture."""
    if about := _elements(rdf):
        return about[0]
    made = _new(rdf, _RDF, "rdf:Description")
    made.setAttributeNS(_RDF, f"{made.prefix}:about", "")
    return made


def _new(parent: Any, uri: str, name: str) -> Any:
    """Add a last child, on a line of its own where the others are, and return it.

    It says what its prefix means where nothing around it does.
    """
    document = parent.ownerDocument
    made = document.createElementNS(uri, name)
    if _meaning(parent, made.prefix) != uri:
        made.setAttribute(f"xmlns:{made.prefix}", uri)
    last = parent.lastChild
    if last is not None and not _is_blank(last):
        return parent.appendChild(made)
    line = _line(parent)
    parent.insertBefore(document.createTextNode(line), last)
    parent.insertBefore(made, last)
    if last is None:
        parent.appendChild(document.createTextNode(line[:-1]))
    return made


def _line(parent: Any) -> str:
    """Return the line's end and the indentation before a child: as before the others, else one deeper than the parent's."""
    for child in _elements(parent):
        if child.previousSibling is not None and _is_blank(child.previousSibling):
            return str(child.previousSibling.data)
    before = parent.previousSibling
    return f"{before.data} " if before is not None and _is_blank(before) else "\n "


def _is_blank(node: Any) -> bool:
    return node.nodeType == Node.TEXT_NODE and not node.data.strip()


def _meaning(node: Any, prefix: str) -> str | None:
    while node.nodeType == Node.ELEMENT_NODE:
        if node.hasAttribute(f"xmlns:{prefix}"):
            return str(node.getAttribute(f"xmlns:{prefix}"))
        node = node.parentNode
    return None
