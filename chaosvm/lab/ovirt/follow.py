"""``follow=tags,host``: objects in place of the links to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from chaosvm.lab.ovirt.collection import Call, Collection
from chaosvm.lab.ovirt.hrefs import API, REFERENCES, filled
from chaosvm.lab.ovirt.markup import Node, node_id

__all__ = ["Follower"]

_ERROR = "<html><head><title>ERROR</title></head><body>Error processing request</body></html>"


class Follower:
    """Follows links of objects to collections and to other objects."""

    def __init__(self, collections: Mapping[str, Collection]) -> None:
        self._collections = collections

    def follow(self, call: Call, collection: Collection, shown: Node, links: str) -> Node:
        """An object with followed links. Unknown and empty links are internal errors."""
        for name, rest in _split(links):
            found = self._followed(call, collection, shown, name, rest)
            others = [child for child in shown.children if child.tag != found.tag]
            shown = replace(shown, children=[*others, found])
        return shown

    def parts(
        self, call: Call, collection: Collection, shown: Node, links: str
    ) -> Mapping[str, Node]:
        """The followed objects by the names of their elements."""
        return {
            name: self._followed(call, collection, shown, name, rest)
            for name, rest in _split(links)
            if not self._is_plain(collection, name)
        }

    def _is_plain(self, collection: Collection, name: str) -> bool:
        return name in collection.plain_links

    def _followed(
        self, call: Call, collection: Collection, shown: Node, name: str, rest: str
    ) -> Node:
        inner = self._collections.get(f"{collection.path}/{{id}}/{name.replace('_', '')}")
        if inner is not None:
            parents = (*call.parents, node_id(shown))
            below = replace(call, path=filled(f"{API}/{inner.path}", parents), parents=parents)
            items = inner.items(below)
            return Node(name, children=[self._shown(below, inner, each, rest) for each in items])
        for child in shown.children:
            if child.tag.replace("_", "") == name.replace("_", "") and child.tag in REFERENCES:
                outer = self._collections[REFERENCES[child.tag]]
                at_top = replace(call, path=f"{API}/{outer.path}", parents=())
                item = outer.item(at_top, node_id(child))
                if item is not None:
                    return self._shown(at_top, outer, item, rest)
        raise web.HTTPInternalServerError(text=_ERROR)

    def _shown(self, call: Call, collection: Collection, item: Any, links: str) -> Node:
        shown = collection.described(call, item)
        return self.follow(call, collection, shown, links) if links else shown


def _split(links: str) -> Iterator[tuple[str, str]]:
    """Names of links, with the links that are followed from there."""
    below: dict[str, list[str]] = {}
    for link in links.split(","):
        name, _, rest = link.strip().partition(".")
        below.setdefault(name, []).extend([rest] if rest else [])
    for name, rests in below.items():
        yield name, ",".join(rests)
