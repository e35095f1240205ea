"""The few tree operations that extraction needs, on resiliparse nodes.

Its lists are live: iterating over one by index asks the tree anew for every item. ``values()`` asks once. Nodes
belong to the thread that parsed them.
"""

from __future__ import annotations

from typing import Any


def select(root: Any, selector: str) -> list[Any]:
    """Return the elements below ``root`` that a CSS selector names, in document order."""
    return root.query_selector_all(selector).values()


def children(node: Any) -> list[Any]:
    """Return a node's children, text included."""
    return node.child_nodes.values()


def attached(element: Any) -> bool:
    """Return whether an element still hangs on something: replaced ones do not."""
    return element.parent is not None


def put_text(document: Any, element: Any, text: str) -> None:
    """Put text in an element's place."""
    if element.parent is None:
        return
    if text:
        element.replace_with(document.create_text_node(text))
    else:
        element.remove()


def class_of(element: Any) -> str:
    """Return the ``class`` attribute with a space on both sides of each name."""
    return f" {element.getattr('class') or ''} "
