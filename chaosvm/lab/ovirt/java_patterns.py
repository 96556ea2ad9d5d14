"""Java's regular expressions, which the engine uses for names of tags.

They are translated for Python's ``re``. Errors have Java's messages, which the engine
passes on. Source: the documentation and the messages of java.util.regex.Pattern
(Java 17), and the recordings ``search-tag-regex-*``. Intersections of classes and most
``\\p{...}`` are not supported.
"""

from __future__ import annotations

import re

__all__ = ["JavaPatternError", "java_pattern"]

_CLASSES = {"d", "D", "w", "W", "s", "S", "b", "B", "A", "t", "n", "r", "f"}
_REWRITTEN = {"z": r"\Z", "Z": r"(?=\n?\Z)", "h": r"[ \t\xa0]", "e": r"\x1b", "a": r"\x07"}
_PROPERTIES = {
    "L": r"[^\W\d_]",
    "Alpha": "[A-Za-z]",
    "Lower": "[a-z]",
    "Upper": "[A-Z]",
    "Digit": "[0-9]",
    "Alnum": "[A-Za-z0-9]",
    "Punct": r"[!-/:-@\[-`{-~]",
    "Space": r"[ \t\n\x0b\f\r]",
}
_LOOKS = ("?:", "?=", "?!", "?>", "?<=", "?<!")
_FLAGS = "idmsuxU"


class JavaPatternError(ValueError):
    """An invalid expression, with Java's message."""


def java_pattern(expression: str) -> re.Pattern[str]:
    """A pattern to use with ``search``. Raises JavaPatternError."""
    return re.compile(_Translation(expression).translate())


class _Translation:
    """Translates an expression from left to right."""

    def __init__(self, expression: str) -> None:
        self._text = expression
        self._at = 0
        self._out: list[str] = []
        # Flags that apply to the rest of a group, which become nested groups in Python.
        self._flags: list[str] = []

    def translate(self) -> str:
        self._alternatives()
        if self._at < len(self._text):
            raise self._error("Unmatched closing ')'", self._at - 1)
        return "".join(self._out)

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _alternatives(self) -> None:
        outer, self._flags = self._flags, []
        while self._at < len(self._text) and self._peek() != ")":
            if self._peek() == "|":
                self._at += 1
                opened = "".join(f"(?{flag}:" for flag in self._flags)
                self._out.append(")" * len(self._flags) + "|" + opened)
                continue
            self._piece()
        self._out.append(")" * len(self._flags))
        self._flags = outer

    def _piece(self) -> None:
        character = self._peek()
        self._at += 1
        if character == "(":
            if not self._group():
                return
        elif character == "[":
            self._class()
        elif character == "\\":
            self._escape()
        elif character in "^$":
            self._out.append(f"(?:{character})")
        elif character in "?*+":
            raise self._error(f"Dangling meta character '{character}'", self._at - 1)
        elif character == "{":
            raise self._error("Illegal repetition", self._at - 1)
        else:
            self._out.append("." if character == "." else re.escape(character))
        self._quantifier()

    def _group(self) -> bool:
        """False if the group only sets flags."""
        flags = re.match(rf"\?([{_FLAGS}]*(?:-[{_FLAGS}]+)?)([):])", self._text[self._at :])
        if flags is not None and flags.group() != "?:":
            supported = "".join(flag for flag in flags.group(1).partition("-")[0] if flag in "imsx")
            self._at += len(flags.group())
            if flags.group(2) == ")":
                if supported:
                    self._flags.append(supported)
                    self._out.append(f"(?{supported}:")
                return False
            self._out.append(f"(?{supported}:")
        else:
            self._out.append("(" + self._look())
        self._alternatives()
        if self._peek() != ")":
            raise self._error("Unclosed group", self._at)
        self._at += 1
        self._out.append(")")
        return True

    def _look(self) -> str:
        if self._peek() != "?":
            return ""
        rest = self._text[self._at :]
        named = re.match(r"\?<([A-Za-z][A-Za-z0-9]*)>", rest)
        if named is not None:
            self._at += len(named.group())
            return f"?P<{named.group(1)}>"
        for look in sorted(_LOOKS, key=len, reverse=True):
            if rest.startswith(look):
                self._at += len(look)
                return look
        raise self._error("Unknown inline modifier", self._at + 1)

    def _class(self) -> None:
        out = ["["]
        if self._peek() == "^":
            self._at += 1
            out.append("^")
        first = True
        while first or self._peek() != "]":
            character = self._peek()
            if not character:
                raise self._error("Unclosed character class", len(self._text) - 1)
            self._at += 1
            self._raise_if_range_reversed(character)
            if character == "\\" and self._peek():
                out.append("\\" + self._peek())
                self._at += 1
            else:
                out.append("\\" + character if character in "[]&~|" else character)
            first = False
        self._at += 1
        self._out.append("".join(out) + "]")

    def _raise_if_range_reversed(self, character: str) -> None:
        dash, end = self._text[self._at : self._at + 1], self._text[self._at + 1 : self._at + 2]
        if dash == "-" and end not in ("", "]", "[", "\\") and end < character:
            raise self._error("Illegal character range", self._at + 1)

    def _escape(self) -> None:
        character = self._peek()
        if not character:
            raise self._error("Unexpected internal error", self._at)
        self._at += 1
        if character == "Q":
            end = self._text.find("\\E", self._at)
            end = len(self._text) if end < 0 else end
            self._out.append(re.escape(self._text[self._at : end]))
            self._at = min(len(self._text), end + 2)
        elif character == "p":
            self._property()
        elif character in _CLASSES or character.isdigit():
            self._out.append("\\" + character)
        elif character in _REWRITTEN:
            self._out.append(_REWRITTEN[character])
        elif character.isascii() and character.isalpha():
            raise self._error("Illegal/unsupported escape sequence", self._at - 1)
        else:
            self._out.append(re.escape(character))

    def _property(self) -> None:
        named = re.match(r"\{(?:Is)?(\w+)\}|(\w)", self._text[self._at :])
        name = (named.group(1) or named.group(2)) if named else ""
        if named is None or name not in _PROPERTIES:
            raise self._error(f"Unknown character property name {{{name}}}", self._at)
        self._at += len(named.group())
        self._out.append(_PROPERTIES[name])

    def _quantifier(self) -> None:
        quantifier = self._peek()
        if not quantifier or quantifier not in "?*+{":
            return
        if quantifier == "{":
            self._counted()
        else:
            self._at += 1
            self._out.append(quantifier)
        if self._peek() and self._peek() in "?+":
            self._out.append(self._peek())
            self._at += 1

    def _counted(self) -> None:
        counted = re.match(r"\{(\d+)(,(\d*))?\}", self._text[self._at :])
        if counted is None:
            digits = re.match(r"\{\d+(,\d*)?", self._text[self._at :])
            if digits is None:
                raise self._error("Illegal repetition", self._at + 1)
            raise self._error("Unclosed counted closure", self._at + len(digits.group()))
        self._at += len(counted.group())
        if counted.group(3) and int(counted.group(3)) < int(counted.group(1)):
            raise self._error("Illegal repetition range", self._at - 1)
        self._out.append(counted.group())

    def _error(self, text: str, index: int) -> JavaPatternError:
        message = f"{text} near index {index}\n{self._text}"
        if index < len(self._text):
            message += "\n" + " " * index + "^"
        return JavaPatternError(message)
