"""The text of a document's file as a writer makes it, from format-spec/tree-v1.md alone."""

import base64
import re

from canonical import Dangling, Number, Reference, Secret, step

RESERVED = re.compile(r"\$+(ref|dangling|hex|secret|sealed|script)\Z")
SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text):
    return '"' + "".join(SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in text) + '"'


def member(name):
    return "$" + name if RESERVED.match(name) else name


def key(parts):
    return f"[{', '.join(map(part, parts))}]"


def part(value):
    if isinstance(value, Reference):
        return f"{{ {quoted(value.kind)}: {key(value.parts)} }}"
    if isinstance(value, Dangling):
        return f"{{ {quoted('?' + value.kind)}: {key([value.id])} }}"
    return inline(value)


def inline(value):
    if isinstance(value, Reference):
        return f'{{ "$ref": {part(value)} }}'
    if isinstance(value, Dangling):
        return f'{{ "$dangling": {{ {quoted(value.kind)}: {inline(value.id)} }} }}'
    if isinstance(value, bytes):
        return f'{{ "$hex": "{value.hex()}" }}'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return quoted(value) if isinstance(value, str) and not isinstance(value, Number) else str(value)


def document(found):
    """The text of a document that was read."""

    def lines(opening, closing, elements, level):
        if not elements:
            return opening + closing
        inner = ",\n".join("  " * (level + 1) + element for element in elements)
        return f"{opening}\n{inner}\n{'  ' * level}{closing}"

    def members(value, place, level):
        spelled = []
        for name in sorted(value, key=str.encode):
            at = name if place is None else place + step(name)
            spelled.append(f"{quoted(member(name))}: {spell(value[name], at, level + 1)}")
        return lines("{", "}", spelled, level)

    def spell(value, place, level):
        if place in found.scripts:
            file, copied = found.scripts[place]
            copy = f', "text": {quoted(value)}' if copied else ""
            return f'{{ "$script": {quoted(file)}{copy} }}'
        if isinstance(value, Secret):
            if place not in found.sealed:
                return '{ "$secret": true }'
            sealed, _ = found.sealed[place]
            return f'{{ "$sealed": "{base64.b64encode(sealed).decode()}", "at": {quoted(place)} }}'
        if isinstance(value, list):
            elements = [spell(element, f"{place}[{i}]", level + 1) for i, element in enumerate(value)]
            return lines("[", "]", elements, level)
        if isinstance(value, dict):
            return members(value, place, level)
        return inline(value)

    spelled = [
        f'"kind": {quoted(found.kind)}',
        f'"key": {key(found.key)}',
        f'"columns": {members(found.columns, None, 1)}',
    ]
    spelled += [f'"body": {spell(value, "$", 1)}' for value in found.body]
    return lines("{", "}", spelled, 0) + "\n"
