"""The engine's tokenizer for searches, which reads one character at a time.

It reads ``VMs : TEXT`` for ``vms?search=TEXT`` with a state machine. Each state expects
certain words, and takes the shortest one that matches. So ``hostess`` begins with the
object ``host`` and is an error, and many odd texts are valid. Source: the engine's
classes SyntaxChecker, SyntaxContainer and BaseAutoCompleter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from chaosvm.lab.ovirt.search_fields import STRING, Entity, Field

__all__ = ["Kind", "NotUnderstood", "Token", "tokenize"]

_ILLEGAL = "';"
_SPACE = " "
# A field at the beginning must be followed by one of these.
_AFTER_FIELD = " !=<>"
_SEARCH_OBJECTS = tuple(
    """
    VMS POOLS HOSTS TEMPLATES EVENTS USERS GROUPS CLUSTERS DISKS DATACENTER STORAGE VOLUMES
    QUOTA NETWORKS PROVIDERS INSTANCETYPES IMAGETYPES SESSIONS JOBS VNICPROFILES
    """.split()  # noqa: SIM905
)


class NotUnderstood(ValueError):
    """An invalid search. The engine's response is an empty list."""


class Kind(Enum):
    OBJECT = auto()
    COLON = auto()
    REFERENCE = auto()
    DOT = auto()
    FIELD = auto()
    RELATION = auto()
    VALUE = auto()
    CONNECTIVE = auto()
    SORTBY = auto()
    SORT_FIELD = auto()
    SORT_DIRECTION = auto()
    PAGE = auto()
    PAGE_VALUE = auto()


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    body: str


# In these states a space is significant.
_SPACE_COUNTS = frozenset((Kind.RELATION, Kind.COLON, Kind.VALUE, Kind.CONNECTIVE))


def tokenize(text: str, entity: Entity, entities: Mapping[str, Entity]) -> list[Token]:
    """The tokens after the colon. Raises NotUnderstood."""
    return _Tokenizer(" " + text, entity, entities).run()


@dataclass
class _Tokenizer:
    text: str
    entity: Entity
    entities: Mapping[str, Entity]
    tokens: list[Token] = field(init=False)
    at: int = 0
    start: int = 0  # where the current word began
    valid: bool = True
    free_texts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tokens = [Token(Kind.OBJECT, self.entity.name), Token(Kind.COLON, ":")]
        self._words = frozenset(_prefixes(self.entity.completed))
        self._objects = frozenset(_prefixes(_SEARCH_OBJECTS))
        self._states: Mapping[Kind, Callable[[], None]] = {
            Kind.COLON: self._after_colon,
            Kind.VALUE: self._after_value,
            Kind.CONNECTIVE: self._after_connective,
            Kind.REFERENCE: self._after_reference,
            Kind.DOT: self._after_dot,
            Kind.FIELD: self._after_field,
            Kind.RELATION: self._after_relation,
            Kind.SORTBY: self._after_sortby,
            Kind.SORT_FIELD: self._after_sort_field,
            Kind.SORT_DIRECTION: self._after_sort_direction,
            Kind.PAGE: self._after_page,
            Kind.PAGE_VALUE: self._after_page_value,
        }

    def run(self) -> list[Token]:
        while self.at < len(self.text):
            self._step()
            self.at += 1
        if not self.valid:
            raise NotUnderstood("incomplete")
        return self.tokens

    def _step(self) -> None:
        if self.text[self.at] in _ILLEGAL:
            raise NotUnderstood("an illegal character")
        state = self.tokens[-1].kind
        if self.text[self.at] == _SPACE and state not in _SPACE_COUNTS:
            self.start += 1
            return
        self._states[state]()

    @property
    def _word(self) -> str:
        return self.text[self.start : self.at + 1].upper()

    def _add(self, kind: Kind, body: str) -> None:
        self.tokens.append(Token(kind, body))
        self.start = self.at + 1

    # States --------------------------------------------------------------------------

    def _after_colon(self) -> None:
        word = self._word
        if word in self.entity.fields:
            following = self.text[self.at + 1 : self.at + 2]
            if following and following in _AFTER_FIELD:
                self._add(Kind.FIELD, word)
        elif word in ("SORTBY", "PAGE"):
            self._add(Kind[word], word)
        elif word in self.entity.references:
            self._reference(word)
        else:
            if self._value():
                self.free_texts.add(self.entity.name)
            return
        self.valid = False

    def _after_value(self) -> None:
        word = self._word.strip()
        if not word:
            return
        self.valid = False
        if word in self.entity.fields:
            self._add(Kind.FIELD, word)
        elif word in ("SORTBY", "PAGE"):
            self._add(Kind[word], word)
        elif word in self.entity.references:
            self._reference(word)
        elif word in ("AND", "OR"):
            self._add(Kind.CONNECTIVE, word)
        elif not self._may_become_keyword(word) and self._value():
            self._free_text(self.entity.name)

    def _may_become_keyword(self, word: str) -> bool:
        return (
            word in self._words
            or word in self._objects
            or any(each.startswith(word) for each in ("SORTBY", "AND", "OR"))
        )

    def _after_connective(self) -> None:
        word = self._word
        self.valid = False
        if word in self.entity.fields:
            self._add(Kind.FIELD, word)
        elif word in self.entity.references:
            self._reference(word)
        elif self._value():
            self._free_text(self.entity.name)

    def _after_reference(self) -> None:
        word = self._word
        if word == ".":
            self._add(Kind.DOT, word)
        elif self._longer_matches(STRING):
            return
        elif word in STRING:
            self._add(Kind.RELATION, word)
        elif not _is_prefix(word, STRING):
            raise NotUnderstood("no relation after the object")

    def _after_dot(self) -> None:
        entity = self._entity_of(self._previous(1, Kind.REFERENCE))
        word = self._word
        if word in entity.fields:
            self._add(Kind.FIELD, word)
        elif not _is_prefix(word, entity.completed):
            raise NotUnderstood("no field after the dot")

    def _after_field(self) -> None:
        entity = self._entity_of(self._previous(2, Kind.REFERENCE))
        compared = entity.fields.get(self.tokens[-1].body)
        if compared is None or compared.relations is None:
            raise NotUnderstood("a field that cannot be compared")
        if self._longer_matches(compared.relations):
            return
        word = self._word
        if word in compared.relations:
            self.tokens.append(Token(Kind.RELATION, word))
        elif not _is_prefix(word, compared.relations):
            raise NotUnderstood("no relation after the field")
        self.start = self.at + 1
        self.valid = False

    def _longer_matches(self, relations: tuple[str, ...]) -> bool:
        """True for ``!`` before ``=``."""
        return (
            self.at + 1 < len(self.text)
            and self.text[self.start : self.at + 2].upper() in relations
        )

    def _after_relation(self) -> None:
        if self._value() and self.tokens[-3].kind is Kind.REFERENCE:
            self._allow_once(self._entity_of(self.tokens[-3].body).name)

    def _after_sortby(self) -> None:
        word = self._word
        if word in self.entity.fields:
            self._add(Kind.SORT_FIELD, word)
            self.valid = True
        elif word not in self._words:
            raise NotUnderstood("no field to sort by")

    def _after_sort_field(self) -> None:
        word = self._word
        if word in ("ASC", "DESC"):
            self._add(Kind.SORT_DIRECTION, word)
            self.valid = True
        elif not _is_prefix(word, ("ASC", "DESC")):
            raise NotUnderstood("a page needs a direction before it")

    def _after_sort_direction(self) -> None:
        word = self._word
        if word == "PAGE":
            self._add(Kind.PAGE, word)
            self.valid = True
        elif not _is_prefix(word, ("PAGE",)):
            raise NotUnderstood("unexpected text after the sort direction")

    def _after_page(self) -> None:
        """Take the digits and, as the engine does, one more character if there is one."""
        digits = re.match(r"\d+", self.text[self.at :])
        if digits is None:
            raise NotUnderstood("not a page number")
        number = self.text[self.at : self.at + len(digits.group()) + 1]
        self.tokens.append(Token(Kind.PAGE_VALUE, number))
        last = min(self.at + len(digits.group()), len(self.text) - 1)
        self.at = last + 1
        self.valid = True

    def _after_page_value(self) -> None:
        raise NotUnderstood("unexpected text after the page")

    # Values --------------------------------------------------------------------------

    def _value(self) -> bool:
        """True if a value ends here, with a quote, a space or the end."""
        character = self.text[self.at]
        before = self.text[self.start : self.at]
        body = self.text[self.start : self.at + 1]
        quoted = '"' in before
        if character == '"':
            if not quoted and body.strip() != '"':
                raise NotUnderstood("a quote within a word")
            if not quoted:
                return False
            self._add_value(body.strip('"'))
            return True
        ends = character == _SPACE or self.at + 1 == len(self.text)
        if quoted or not ends:
            return False
        body = body.strip()
        if not body or re.search(r"\s", body):
            self.start = self.at + 1
            return False
        self._add_value(body)
        return True

    def _add_value(self, value: str) -> None:
        compared = self._field_of_value()
        if compared is not None and not compared.accepts(value):
            raise NotUnderstood("an invalid value for the field")
        self._add(Kind.VALUE, value)
        self.valid = True

    def _field_of_value(self) -> Field | None:
        if self.tokens[-2].kind is not Kind.FIELD or self.tokens[-1].kind is not Kind.RELATION:
            return None
        entity = self._entity_of(self._previous(3, Kind.REFERENCE))
        return entity.fields.get(self.tokens[-2].body)

    def _free_text(self, name: str) -> None:
        self._allow_once(name)
        self.valid = True

    def _allow_once(self, name: str) -> None:
        if name in self.free_texts:
            raise NotUnderstood("more than one word without a field")
        self.free_texts.add(name)

    # Objects -------------------------------------------------------------------------

    def _reference(self, word: str) -> None:
        if self.text[self.at + 1 : self.at + 2].upper() == "S":  # the plural
            self.at += 1
            word += "S"
        self._add(Kind.REFERENCE, word)

    def _previous(self, steps: int, kind: Kind) -> str:
        """The body of an earlier token of this kind, or the name of the searched collection."""
        if len(self.tokens) > steps and self.tokens[-1 - steps].kind is kind:
            return self.tokens[-1 - steps].body
        return self.tokens[0].body

    def _entity_of(self, name: str) -> Entity:
        entity = self.entities.get(name) or self.entities.get(name.removesuffix("S"))
        if entity is None:
            raise NotUnderstood("an object without fields")
        return entity


def _prefixes(words: tuple[str, ...] | list[str]) -> set[str]:
    return {"", " "} | {word[:length] for word in words for length in range(1, len(word) + 1)}


def _is_prefix(word: str, words: tuple[str, ...]) -> bool:
    return word in ("", _SPACE) or any(each.startswith(word) for each in words)
