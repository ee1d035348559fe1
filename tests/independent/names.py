"""Paths of documents in a tree, from format-spec/tree-v1.md alone."""

import re
import unicodedata

from canonical import Dangling, Reference, derive, key_text
from envelope import le64

SPECIAL = set('<>:"/\\|?*%~')
RANGES = [(0xAD, 0xAD), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF)]
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"}
DEVICES |= {port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"}
MOST, KEPT, LONG_PATH, LONG_KEPT, FOLDERS = 100, 60, 180, 40, 64


def nfc(text):
    return unicodedata.normalize("NFC", text)


def fold(text):
    # Each character by itself: str.lower() looks at what stands around a sigma.
    def lower(text):
        return "".join(c.lower() for c in text)

    return nfc(lower(nfc(lower(nfc(text))).upper()))


def is_device(name):
    stem = name.split(".")[0].rstrip(" ")
    return "".join(c.upper() if "a" <= c <= "z" else c for c in stem) in DEVICES


def is_plain(name):
    return (
        1 <= len(name.encode()) <= 255
        and not set(name) & set('<>:"/\\|?*')
        and not any(unicodedata.category(c) == "Cc" for c in name)
        and not {name[0], name[-1]} & set(". ")
        and not is_device(name)
    )


def kind_name(kind):
    return cut(escape(kind), digits(kind))


def escape(text):
    text = nfc(text)
    if not text:
        return "%"
    at = {i for i, c in enumerate(text) if c in SPECIAL or unicodedata.category(c) == "Cc"}
    at |= {i for i, c in enumerate(text) if any(low <= ord(c) <= high for low, high in RANGES)}
    at |= {i for i in (0, len(text) - 1) if text[i] in ". "}
    if text == "_" or is_device(text):
        at.add(0)
    if fold(text[-5:]) == ".json":
        at.add(len(text) - 5)
    spelled = lambda c: "".join(f"%{byte:02X}" for byte in c.encode())
    return "".join(spelled(c) if i in at else c for i, c in enumerate(text))


def digits(*parts):
    data = b"".join(le64(len(part.encode())) + part.encode() for part in parts)
    return derive("sealift 2026-11 tree v1 name", data)[:8].hex()


def begin(name, most):
    """As many of the first bytes as split no character and no escape."""
    kept = ""
    for piece in re.findall(r"%[0-9A-F]{2}|.", name, re.S):
        if len((kept + piece).encode()) > most:
            break
        kept += piece
    return kept


def cut(name, its_digits):
    return name if len(name.encode()) <= MOST else begin(name, KEPT) + "~" + its_digits


def scalar(part):
    if part is None:
        return "-"
    if isinstance(part, bool):
        return "true" if part else "false"
    return str(part)


def owner_and_rest(parts):
    first = parts[0] if parts else "no part"
    if isinstance(first, Reference):
        return (first.kind, first.parts), parts[1:]
    if isinstance(first, Dangling):
        return ("?" + first.kind, [first.id]), parts[1:]
    return None, parts[1:] if first is None else parts


def joined(parts):
    return ", ".join(map(part_text, parts))


def part_text(part):
    if isinstance(part, Reference):
        _, rest = owner_and_rest(part.parts)
        return joined(rest or part.parts[:1]) if part.parts else part.kind
    if isinstance(part, Dangling):
        return "?" + scalar(part.id)
    return scalar(part)


class Step:
    """A document or an owner in a path: its kind, its name if it has one, its digits."""

    def __init__(self, kind, parts):
        _, rest = owner_and_rest(parts)
        self.digits = digits(kind, key_text(parts))
        self.kind = kind_name(kind)
        name = escape(joined(rest)) if rest else None
        self.name = name and cut(name, self.digits)
        self.cut = self.name != name
        self.begin = (self.name or self.kind).split("~")[0]

    def names(self, suffix):
        found = [name for name in (self.kind, self.name) if name is not None]
        if suffix and not self.cut:
            found[-1] += "~" + self.digits
        return found


def steps(kind, parts):
    """Owners first, the document last."""
    owner, _ = owner_and_rest(parts)
    return (steps(*owner) if owner else []) + [Step(kind, parts)]


def long_path(chain):
    last = chain[-1]
    return f"_long/{last.kind}/{begin(last.begin, LONG_KEPT)}~{last.digits}.json"


def is_path_of(path, kind, parts):
    """Whether a file may lie there: with or without any of its suffixes, in any case and composition."""
    chain = steps(kind, parts)
    folded = fold(path)
    if folded == fold(long_path(chain)):
        return True
    begins = {""}
    for step in chain:
        endings = {"/".join(step.names(suffix)) for suffix in (False, True)}
        begins = {at + fold(end) + "/" for at in begins for end in endings}
        begins = {at for at in begins if folded.startswith(at) or folded == at[:-1] + ".json"}
    return any(folded == at[:-1] + ".json" for at in begins)


def paths(documents):
    """The path of each of the documents of one tree."""
    chains = [steps(kind, parts) for kind, parts in documents]
    plain, known = {}, {}
    for chain in chains:
        at = []
        for step in chain:
            at += step.names(False)
            plain.setdefault(fold("/".join(at)), set()).add(step.digits)
            known[step.digits] = fold("/".join(at))
    found = []
    for chain in chains:
        at = []
        for step in chain:
            at += step.names(len(plain[known[step.digits]]) > 1)
        path = "/".join(at) + ".json"
        is_long = len(path.encode()) > LONG_PATH or path.count("/") > FOLDERS
        found.append(long_path(chain) if is_long else path)
    return found
