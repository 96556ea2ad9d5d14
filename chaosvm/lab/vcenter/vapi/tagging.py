"""The services of com.vmware.cis.tagging: categories, tags and their associations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.operations import Operation, Request, operation_table
from chaosvm.lab.vcenter.vapi.structures import Structure
from chaosvm.lab.vcenter.vapi.tag_catalog import CatalogTag, Category, TagCatalog

__all__ = ["Tagging"]

_SERVICE = "com.vmware.cis.tagging"
_CARDINALITIES = ("SINGLE", "MULTIPLE")


class Tagging:
    def __init__(self, catalog: TagCatalog) -> None:
        self._catalog = catalog

    def operations(self) -> Iterable[Operation]:
        yield from operation_table(
            f"{_SERVICE}.category",
            "/cis/tagging/category",
            ("list", "GET", "", None, self._list_categories),
            ("create", "POST", "", "create_spec", self._create_category),
            ("get", "GET", "/{category_id}", None, self._get_category),
            ("update", "PATCH", "/{category_id}", "update_spec", self._update_category),
            ("delete", "DELETE", "/{category_id}", None, self._delete_category),
            ("list_used_categories", "POST", "?list-used-categories", None, lambda request: []),
        )
        yield from operation_table(
            f"{_SERVICE}.tag",
            "/cis/tagging/tag",
            ("list", "GET", "", None, self._list_tags),
            ("create", "POST", "", "create_spec", self._create_tag),
            ("get", "GET", "/{tag_id}", None, self._get_tag),
            ("update", "PATCH", "/{tag_id}", "update_spec", self._update_tag),
            ("delete", "DELETE", "/{tag_id}", None, self._delete_tag),
            ("list_tags_for_category", "POST", "?list-tags-for-category", None, self._tags_in),
            # Below /rest, the category is in the path.
            ("", "POST", "/{tag_id}?list-tags-for-category", None, self._tags_in),
            ("list_used_tags", "POST", "?list-used-tags", None, lambda request: []),
        )
        yield from self._associations()

    def _associations(self) -> Iterable[Operation]:
        attach, detach = self._catalog.attach, self._catalog.detach
        one, root = "/{tag_id}", ""
        rows: list[tuple[str, str, Callable[[Request], Any]]] = [
            ("attach", one, lambda request: self._change(attach, request)),
            ("detach", one, lambda request: self._change(detach, request)),
            ("attach_multiple_tags_to_object", root, self._in_bulk(attach)),
            ("attach_tag_to_multiple_objects", one, self._in_bulk(attach)),
            ("detach_multiple_tags_from_object", root, self._in_bulk(detach)),
            ("detach_tag_from_multiple_objects", one, self._in_bulk(detach)),
            ("list_attached_objects", one, self._objects),
            ("list_attached_objects_on_tags", root, self._objects_of_each),
            ("list_attached_tags", root, self._tags_of),
            ("list_attached_tags_on_objects", root, self._tags_of_each),
            ("list_attachable_tags", root, self._attachable),
        ]
        yield from operation_table(
            f"{_SERVICE}.tag_association",
            "/cis/tagging/tag-association",
            *(
                (name, "POST", f"{path}?{name.replace('_', '-')}", None, handler)
                for name, path, handler in rows
            ),
        )

    # Categories ------------------------------------------------------------------------

    def _list_categories(self, request: Request) -> list[str]:
        return [category.id for category in self._catalog.categories()]

    def _create_category(self, request: Request) -> str:
        spec = request.required("create_spec")
        _check_cardinality(spec["cardinality"])
        category = self._catalog.add_category(spec["name"])
        self._set_category(category, spec)
        return category.id

    def _get_category(self, request: Request) -> Any:
        category = self._catalog.category(request.required("category_id"))
        return Structure(
            f"{_SERVICE}.category_model",
            id=category.id,
            name=category.name,
            description=category.description,
            cardinality=category.cardinality,
            associable_types=category.associable_types,
            used_by=[],
        )

    def _update_category(self, request: Request) -> None:
        category, spec = self._catalog.category(request.required("category_id")), _spec(request)
        if spec.get("cardinality") is not None:
            _check_cardinality(spec["cardinality"])
        if spec.get("name") is not None:
            self._catalog.rename_category(category, spec["name"])
        self._set_category(category, spec)

    def _set_category(self, category: Category, spec: dict[str, Any]) -> None:
        for name in ("description", "cardinality", "associable_types"):
            if spec.get(name) is not None:
                setattr(category, name, spec[name])

    def _delete_category(self, request: Request) -> None:
        self._catalog.delete_category(request.required("category_id"))

    # Tags ------------------------------------------------------------------------------

    def _list_tags(self, request: Request) -> list[str]:
        return [tag.id for tag in self._catalog.tags()]

    def _tags_in(self, request: Request) -> list[str]:
        category = request.get("category_id") or request.required("tag_id")
        return [tag.id for tag in self._catalog.tags_in(self._catalog.category(category).id)]

    def _create_tag(self, request: Request) -> str:
        spec = request.required("create_spec")
        tag = self._catalog.add_tag(self._catalog.category(spec["category_id"]), spec["name"])
        tag.description = spec.get("description") or ""
        return tag.id

    def _get_tag(self, request: Request) -> Any:
        tag = self._tag(request)
        return Structure(
            f"{_SERVICE}.tag_model",
            id=tag.id,
            category_id=tag.category.id,
            name=tag.name,
            description=tag.description,
            used_by=[],
        )

    def _update_tag(self, request: Request) -> None:
        tag, spec = self._tag(request), _spec(request)
        if spec.get("name") is not None:
            self._catalog.rename_tag(tag, spec["name"])
        if spec.get("description") is not None:
            tag.description = spec["description"]

    def _delete_tag(self, request: Request) -> None:
        self._catalog.delete_tag(self._tag(request).id)

    def _tag(self, request: Request) -> CatalogTag:
        return self._catalog.tag(request.required("tag_id"))

    # Associations ----------------------------------------------------------------------

    def _change(self, change: Callable[..., None], request: Request) -> None:
        change(self._tag(request), *_dynamic_id(request.required("object_id")))

    def _in_bulk(self, change: Callable[..., None]) -> Callable[[Request], Any]:
        def run(request: Request) -> Any:
            tags = request.get("tag_ids") or [request.required("tag_id")]
            objects = request.get("object_ids") or [request.required("object_id")]
            errors = []
            for tag in tags:
                for each in objects:
                    try:
                        change(self._catalog.tag(tag), *_dynamic_id(each))
                    except VapiError as error:
                        errors.append(_message(error))
            return Structure(
                f"{_SERVICE}.tag_association.batch_result",
                success=not errors,
                error_messages=errors,
            )

        return run

    def _objects(self, request: Request) -> list[Any]:
        return [_reference(*each) for each in self._catalog.objects(self._tag(request))]

    def _objects_of_each(self, request: Request) -> list[Any]:
        return [
            Structure(
                f"{_SERVICE}.tag_association.tag_to_objects",
                tag_id=tag,
                object_ids=[
                    _reference(*each) for each in self._catalog.objects(self._catalog.tag(tag))
                ],
            )
            for tag in request.required("tag_ids")
        ]

    def _tags_of(self, request: Request) -> list[str]:
        return self._catalog.attached(*_dynamic_id(request.required("object_id")))

    def _tags_of_each(self, request: Request) -> list[Any]:
        objects = [_dynamic_id(each) for each in request.required("object_ids")]
        found = zip(objects, self._catalog.attached_to(objects), strict=True)
        return [
            Structure(
                f"{_SERVICE}.tag_association.object_to_tags",
                object_id=_reference(*each),
                tag_ids=tags,
            )
            for each, tags in found
            if tags
        ]

    def _attachable(self, request: Request) -> list[str]:
        kind, moid = _dynamic_id(request.required("object_id"))
        attached = self._catalog.attached(kind, moid)
        return [
            tag.id
            for tag in self._catalog.tags()
            if tag.id not in attached
            and (not tag.category.associable_types or kind in tag.category.associable_types)
        ]


def _spec(request: Request) -> dict[str, Any]:
    spec: dict[str, Any] = request.required("update_spec")
    return spec


def _check_cardinality(value: Any) -> None:
    if value not in _CARDINALITIES:
        raise VapiError("invalid_argument", f"Cardinality is SINGLE or MULTIPLE, not {value!r}.")


def _dynamic_id(value: Any) -> tuple[str, str]:
    return value["type"], value["id"]


def _reference(kind: str, moid: str) -> Any:
    return Structure("com.vmware.vapi.std.dynamic_ID", type=kind, id=moid)


def _message(error: VapiError) -> Any:
    return Structure(
        "com.vmware.vapi.std.localizable_message",
        id=f"com.vmware.cis.tagging.{error.name}",
        default_message=str(error),
        args=[],
    )
