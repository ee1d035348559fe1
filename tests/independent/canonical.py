"""Canonical bytes, keys and places, from format-spec/documents.md alone.

Shares no code with the library: a second opinion on the text.
"""

import re

from blake3 import blake3

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
INTEGER = re.compile(r"(0|-?[1-9][0-9]*)\Z")
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
DEEPEST = 128
MOST_VALUES = 1 << 20


class Refused(Exception):
    """The bytes are not what the text allows."""


def derive(context, data):
    return blake3(data, derive_key_context=context).digest()


def content_id(canonical):
    return derive("sealift 2026-11 document v1 content id", canonical)


def fits(text):
    return INTEGER.match(text) is not None and INT_MIN <= int(text) <= INT_MAX


class Secret:
    """A secret place."""


class Number(str):
    """A number that is no 64-bit integer: its text."""


class Reference:
    def __init__(self, kind, parts):
        self.kind, self.parts = kind, parts


class Dangling:
    def __init__(self, kind, id_):
        self.kind, self.id = kind, id_


class Decoder:
    def __init__(self, data, values=None):
        self.data, self.at = data, 0
        self.values = [0] if values is None else values

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Refused("the bytes end early")
        self.at += count
        return self.data[self.at - count : self.at]

    def size(self, width, least):
        number = int.from_bytes(self.take(width), "big")
        if number < least:
            raise Refused("a length or integer is not in its shortest form")
        return number

    def end(self):
        if self.at != len(self.data):
            raise Refused("bytes follow")

    def array(self):
        mark = self.take(1)[0]
        if 0x90 <= mark <= 0x9F:
            return mark & 15
        if mark == 0xDC:
            return self.size(2, 16)
        if mark == 0xDD:
            return self.size(4, 1 << 16)
        raise Refused("no list where one belongs")

    def text(self, mark=None):
        mark = self.take(1)[0] if mark is None else mark
        if 0xA0 <= mark <= 0xBF:
            count = mark & 31
        elif mark == 0xD9:
            count = self.size(1, 32)
        elif mark == 0xDA:
            count = self.size(2, 1 << 8)
        elif mark == 0xDB:
            count = self.size(4, 1 << 16)
        else:
            raise Refused("no text where one belongs")
        try:
            return self.take(count).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("text is not UTF-8") from error

    def members(self, count, level):
        found, last = {}, None
        for _ in range(count):
            name = self.text()
            if last is not None and name.encode() <= last:
                raise Refused("members are not in order, each once")
            last = name.encode()
            found[name] = self.value(level)
        return found

    def object(self):
        mark = self.take(1)[0]
        if 0x80 <= mark <= 0x8F:
            return self.members(mark & 15, 0)
        if mark == 0xDE:
            return self.members(self.size(2, 16), 0)
        if mark == 0xDF:
            return self.members(self.size(4, 1 << 16), 0)
        raise Refused("no object where one belongs")

    def value(self, level):
        if level > DEEPEST:
            raise Refused("nested too deep")
        self.values[0] += 1
        if self.values[0] > MOST_VALUES:
            raise Refused("too many values")
        mark = self.take(1)[0]
        if mark <= 0x7F:
            return mark
        if mark <= 0x8F:
            return self.members(mark & 15, level + 1)
        if mark <= 0x9F:
            return [self.value(level + 1) for _ in range(mark & 15)]
        if mark <= 0xBF or 0xD9 <= mark <= 0xDB:
            return self.text(mark)
        if mark >= 0xE0:
            return mark - 256
        if mark in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[mark]
        if mark in (0xC4, 0xC5, 0xC6):
            width, least = {0xC4: (1, 0), 0xC5: (2, 1 << 8), 0xC6: (4, 1 << 16)}[mark]
            return self.take(self.size(width, least))
        if 0xCC <= mark <= 0xCF:
            width, least = {0xCC: (1, 128), 0xCD: (2, 256), 0xCE: (4, 1 << 16), 0xCF: (8, 1 << 32)}[mark]
            number = self.size(width, least)
            if number > INT_MAX:
                raise Refused("an integer over 63 bits")
            return number
        if 0xD0 <= mark <= 0xD3:
            width, below = {0xD0: (1, -32), 0xD1: (2, -128), 0xD2: (4, -(1 << 15)), 0xD3: (8, -(1 << 31))}[mark]
            number = int.from_bytes(self.take(width), "big", signed=True)
            if number >= below:
                raise Refused("an integer is not in its shortest form")
            return number
        if mark in (0xDC, 0xDD):
            count = self.size(2, 16) if mark == 0xDC else self.size(4, 1 << 16)
            return [self.value(level + 1) for _ in range(count)]
        if mark in (0xDE, 0xDF):
            count = self.size(2, 16) if mark == 0xDE else self.size(4, 1 << 16)
            return self.members(count, level + 1)
        if 0xD4 <= mark <= 0xD8:
            return self.extension(1 << (mark - 0xD4), level)
        if mark in (0xC7, 0xC8, 0xC9):
            width, least = {0xC7: (1, 0), 0xC8: (2, 1 << 8), 0xC9: (4, 1 << 16)}[mark]
            count = self.size(width, least)
            if count in (1, 2, 4, 8, 16):
                raise Refused("an extension is not in its shortest form")
            return self.extension(count, level)
        raise Refused("a type that documents do not use")

    def extension(self, count, level):
        type_ = self.take(1)[0]
        payload = self.take(count)
        if type_ == 1:
            try:
                text = payload.decode("ascii")
            except UnicodeDecodeError as error:
                raise Refused("a number is no text") from error
            if not NUMBER.match(text) or fits(text):
                raise Refused("no number, or an integer")
            return Number(text)
        if type_ == 4 and not payload:
            return Secret()
        if type_ not in (2, 3):
            raise Refused("an unknown extension")
        inner = Decoder(payload, self.values)
        parts = inner.array()
        if parts < 1 or (type_ == 3 and parts != 2):
            raise Refused("a reference of the wrong length")
        kind = inner.text()
        values = [inner.value(level + 1) for _ in range(parts - 1)]
        inner.end()
        if type_ == 3:
            return Dangling(kind, values[0])
        if any(isinstance(value, (list, dict, bytes, Secret)) for value in values):
            raise Refused("a part that no key has")
        return Reference(kind, values)


def decode(data):
    """Columns, and a list of the body or of nothing."""
    decoder = Decoder(data)
    parts = decoder.array()
    columns = decoder.object()
    if parts not in (1, 2):
        raise Refused("a document has one or two parts")
    body = [decoder.value(0)] if parts == 2 else []
    decoder.end()
    return columns, body


def step(name):
    if PLAIN.match(name):
        return "." + name
    inner = "".join(
        "\\" + c if c in "'\\" else f"\\u{ord(c):04x}" if ord(c) < 0x20 else c for c in name
    )
    return f"['{inner}']"


def secret_places(document):
    columns, body = document
    found = []

    def walk(value, place):
        if isinstance(value, Secret):
            found.append(place)
        elif isinstance(value, list):
            for index, element in enumerate(value):
                walk(element, f"{place}[{index}]")
        elif isinstance(value, dict):
            for name in sorted(value, key=str.encode):
                walk(value[name], place + step(name))

    for name in sorted(columns, key=str.encode):
        walk(columns[name], name)
    for value in body:
        walk(value, "$")
    return found


ESCAPES = {'"': '"', "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class KeyText:
    """A parser that knows one spelling only."""

    def __init__(self, text, deepest=DEEPEST):
        self.text, self.at, self.open, self.deepest = text, 0, 0, deepest

    def next(self):
        if self.at >= len(self.text):
            raise Refused("a key ends early")
        self.at += 1
        return self.text[self.at - 1]

    def expect(self, literal):
        if not self.text.startswith(literal, self.at):
            raise Refused(f"a key without {literal!r} where it belongs")
        self.at += len(literal)

    def peek(self):
        return self.text[self.at : self.at + 1]

    def string(self):
        self.expect('"')
        out = []
        while (c := self.next()) != '"':
            if ord(c) < 0x20:
                raise Refused("a control character in a key")
            if c != "\\":
                out.append(c)
            elif (e := self.next()) in ESCAPES:
                out.append(ESCAPES[e])
            elif e == "u":
                digits = "".join(self.next() for _ in range(4))
                if not re.match(r"00[01][0-9a-f]\Z", digits) or chr(int(digits, 16)) in "\b\f\n\r\t":
                    raise Refused("a needless escape in a key")
                out.append(chr(int(digits, 16)))
            else:
                raise Refused("an escape that keys do not have")
        return "".join(out)

    def kind(self):
        start = self.at
        kind = self.string()
        if "\\" in self.text[start : self.at]:
            raise Refused("a kind that needs an escape")
        return kind

    def parts(self):
        self.deeper()
        self.expect("[")
        found = []
        if self.peek() != "]":
            found.append(self.part())
            while self.peek() == ",":
                self.at += 1
                found.append(self.part())
        self.expect("]")
        self.open -= 1
        return found

    def deeper(self):
        self.open += 1
        if self.open > self.deepest:
            raise Refused("a key nests too deep")

    def part(self):
        if self.peek() == "{":
            self.deeper()
            self.at += 1
            kind = self.kind()
            self.expect(":")
            parts = self.parts()
            self.expect("}")
            self.open -= 1
            if not kind.startswith("?"):
                return Reference(kind, parts)
            if len(parts) != 1 or isinstance(parts[0], (Reference, Dangling)):
                raise Refused("a dangling reference holds one id")
            return Dangling(kind[1:], parts[0])
        return self.scalar()

    def scalar(self):
        if self.peek() == '"':
            return self.string()
        start = self.at
        while self.peek() and self.peek() not in ",]}":
            self.at += 1
        word = self.text[start : self.at]
        if word in ("null", "true", "false"):
            return {"null": None, "true": True, "false": False}[word]
        if not NUMBER.match(word):
            raise Refused("a part that no key has")
        return int(word) if fits(word) else Number(word)


def parse_key(text, deepest=DEEPEST):
    parser = KeyText(text, deepest)
    parts = parser.parts()
    if parser.at != len(text):
        raise Refused("something follows a key")
    return parts


def key_text(parts):
    """The one spelling of a key."""
    spelled = []
    for part in parts:
        if isinstance(part, (Reference, Dangling)):
            dangling = isinstance(part, Dangling)
            kind = "?" + part.kind if dangling else part.kind
            if any(c in '"\\' or ord(c) < 0x20 for c in kind) or (not dangling and kind.startswith("?")):
                raise Refused("a kind that no key text has")
            spelled.append(f'{{"{kind}":{key_text([part.id] if dangling else part.parts)}}}')
        elif isinstance(part, str) and not isinstance(part, Number):
            spelled.append(f'"{"".join(map(key_character, part))}"')
        elif part is None or isinstance(part, bool):
            spelled.append({None: "null", True: "true", False: "false"}[part])
        else:
            spelled.append(str(part))
    return f"[{','.join(spelled)}]"


SHORT = {escaped: "\\" + letter for letter, escaped in ESCAPES.items()}


def key_character(c):
    return SHORT.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 0x20 else c)


def sized(count, *forms):
    """The first form whose numbers reach this far: its mark and the bytes of the number."""
    for mark, width in forms:
        if count < 1 << (8 * width):
            return bytes([mark]) + count.to_bytes(width, "big")
    raise Refused("too large for canonical bytes")


def encode(value, level=0):
    """The canonical bytes of a value."""
    if level > DEEPEST:
        raise Refused("nested too deep")
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        if value >= 0:
            return bytes([value]) if value < 128 else sized(value, (0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8))
        if value >= -32:
            return bytes([value + 256])
        width = next(w for w in (1, 2, 4, 8) if value >= -(1 << (8 * w - 1)))
        mark = {1: 0xD0, 2: 0xD1, 4: 0xD2, 8: 0xD3}[width]
        return bytes([mark]) + value.to_bytes(width, "big", signed=True)
    if isinstance(value, Number):
        return extended(1, value.encode())
    if isinstance(value, str):
        data = value.encode()
        head = bytes([0xA0 + len(data)]) if len(data) < 32 else sized(len(data), (0xD9, 1), (0xDA, 2), (0xDB, 4))
        return head + data
    if isinstance(value, bytes):
        return sized(len(value), (0xC4, 1), (0xC5, 2), (0xC6, 4)) + value
    if isinstance(value, list):
        return array(value, level)
    if isinstance(value, dict):
        head = bytes([0x80 + len(value)]) if len(value) < 16 else sized(len(value), (0xDE, 2), (0xDF, 4))
        names = sorted(value, key=str.encode)
        return head + b"".join(encode(name, level) + encode(value[name], level + 1) for name in names)
    if isinstance(value, Reference):
        return extended(2, array([value.kind, *value.parts], level))
    if isinstance(value, Dangling):
        return extended(3, array([value.kind, value.id], level))
    return b"\xc7\x00\x04"


def array(values, level):
    head = bytes([0x90 + len(values)]) if len(values) < 16 else sized(len(values), (0xDC, 2), (0xDD, 4))
    return head + b"".join(encode(value, level + 1) for value in values)


def extended(type_, payload):
    marks = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}
    count = len(payload)
    head = bytes([marks[count]]) if count in marks else sized(count, (0xC7, 1), (0xC8, 2), (0xC9, 4))
    return head + bytes([type_]) + payload


def encode_document(columns, body):
    """The canonical bytes of a document; the body is a list of one value or none."""
    parts = [encode(columns, -1), *[encode(value) for value in body]]
    return bytes([0x90 + len(parts)]) + b"".join(parts)
