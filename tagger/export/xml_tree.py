"""XML as a tree that is written back as it was, but for what was changed in it.

Rejected: ElementTree, which gives foreign namespaces new prefixes and loses line ends in values; minidom's own
writer, which loses them too; lxml, one more compiled dependency for so little.
"""

from collections.abc import Iterator
from typing import Any
from xml.dom import Node, minidom
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

_DEEPEST = 100


class MalformedError(ValueError):
    """What is there cannot be read as it must be, so nothing may be written in its place."""


def parsed(data: bytes) -> Any:
    """Return the tree of a document. Raises MalformedError where it is no XML, has entities or is too deep."""
    try:
        _refuse_traps(data)
        return minidom.parseString(data)  # noqa: S318 - what could swell or reach out has just been refused
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise MalformedError(f"is not XMP: {error}") from None


def _refuse_traps(data: bytes) -> None:
    """Refuse what could swell or reach out: entities, which may stand for gigabytes, need a DOCTYPE, and XMP has none."""
    parser, depth = expat.ParserCreate(), 0

    def refuse(*_: object) -> None:
        raise MalformedError("it has a DOCTYPE")

    def begin(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise MalformedError("its elements are too deep in one another")

    def end(_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.Parse(data, True)


def written(document: Any) -> str:
    """Return a document as text that is read back as the same tree."""
    begin = '<?xml version="1.0" encoding="UTF-8"?>\n' if document.version else ""
    return begin + "\n".join("".join(_node(child)) for child in document.childNodes)


def _node(node: Any) -> Iterator[str]:
    match node.nodeType:
        case Node.ELEMENT_NODE:
            yield from _element(node)
        case Node.TEXT_NODE:
            yield escape(node.data, {"\r": "&#13;"})
        case Node.CDATA_SECTION_NODE:
            yield f"<![CDATA[{node.data}]]>"
        case Node.COMMENT_NODE:
            yield f"<!--{node.data}-->"
        case Node.PROCESSING_INSTRUCTION_NODE:
            yield f"<?{node.target} {node.data}?>"


def _element(node: Any) -> Iterator[str]:
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in node.attributes.items())
    if not node.childNodes:
        yield f"<{node.tagName}{attributes}/>"
        return
    yield f"<{node.tagName}{attributes}>"
    for child in node.childNodes:
        yield from _node(child)
    yield f"</{node.tagName}>"
