"""Trees, from format-spec/tree-v1.md alone. Knows of the model its kinds and nothing more. Writes nothing."""

import base64
import binascii
import json
import os
import re

import envelope
import names
from canonical import (
    DEEPEST,
    INTEGER,
    NUMBER,
    Dangling,
    Number,
    Reference,
    Refused,
    Secret,
    content_id,
    derive,
    encode_document,
    fits,
    key_text,
    parse_key,
    secret_places,
    step,
)
from envelope import Failure, le64

MARKER = re.compile(r"\$(ref|dangling|hex|secret|sealed|script)\Z")
ESCAPED = re.compile(r"\$\$+(ref|dangling|hex|secret|sealed|script)\Z")
MIB = 1 << 20


NOTICE = ("code", "kind", "key", "place", "value", "names_kind", "names_key", "text")


class Finding(Exception):
    def __init__(self, place, why):
        super().__init__(why)
        self.place = place


def integer_or_number(text):
    return int(text) if fits(text) else Number(text)


def members(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Finding(None, "two members of one name")
    return found


def refuse_constant(word):
    raise Finding(None, f"{word} is no JSON")


def parse_json(data):
    """Any JSON, with its numbers as they are spelled."""
    try:
        text = data.decode("utf-8")
        text = text.removeprefix("\ufeff")
        deep = most = 0
        for token in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text, re.S):
            deep += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token, 0)
            most = max(most, deep)
        if most > 512:
            raise Finding(None, "JSON that nests too deep")
        found = json.loads(
            text,
            object_pairs_hook=members,
            parse_int=integer_or_number,
            parse_float=Number,
            parse_constant=refuse_constant,
        )
        # Half a pair of surrogates is no text.
        json.dumps(found, ensure_ascii=False).encode("utf-8")
        return found
    except (ValueError, RecursionError) as error:
        raise Finding(None, error) from error


def is_text(value):
    return isinstance(value, str) and not isinstance(value, Number)


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def unhex(text, place, length=None):
    if not is_text(text) or not re.fullmatch(r"([0-9a-f]{2})*", text):
        raise Finding(place, "no hexadecimal")
    if length is not None and len(text) != 2 * length:
        raise Finding(place, f"not {length} bytes")
    return bytes.fromhex(text)


def unbase64(text, place):
    try:
        data = base64.b64decode(text if is_text(text) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Finding(place, "no base64") from error
    if base64.b64encode(data).decode() != text:
        raise Finding(place, "not the one spelling in base64")
    return data


def compact(value):
    """Key text as JSON without blanks; what is no key comes out as something that no key is."""
    if isinstance(value, list):
        return f"[{','.join(map(compact, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(name)}:{compact(part)}" for name, part in value.items()) + "}"
    if isinstance(value, str) and not isinstance(value, Number):
        return key_text([value])[1:-1]
    return key_text([value])[1:-1]


def key_of(value, place, deepest=DEEPEST):
    if not isinstance(value, list):
        raise Finding(place, "no key")
    try:
        return parse_key(compact(value), deepest)
    except Refused as error:
        raise Finding(place, error) from error


def levels(value):
    """How many a reference adds below its own."""
    if isinstance(value, Reference):
        return max((1 + levels(part) for part in value.parts), default=0)
    return 1 if isinstance(value, Dangling) else 0


class Document:
    """One file, without regard to the others."""

    def __init__(self, tree, path, data):
        self.tree, self.path, self.sealed, self.scripts = tree, path, {}, {}
        json_ = parse_json(data)
        if not isinstance(json_, dict):
            raise Finding(None, "no object")
        for name in ("kind", "key", "columns"):
            if name not in json_:
                raise Finding(name, f"no {name}")
        for name in json_:
            if name not in ("kind", "key", "columns", "body"):
                raise Finding(name, "an unknown member")
        self.kind = json_["kind"]
        if not is_text(self.kind) or self.kind not in tree.kinds:
            raise Finding("kind", "an unknown kind")
        self.key = key_of(json_["key"], "key")
        self.text = key_text(self.key)
        if len(self.text.encode()) > 64 << 10:
            raise Finding("key", "over the limit")
        for part in self.key:
            self.known(part, "key")
        if not names.is_path_of(path, self.kind, self.key):
            raise Finding("key", "not the path of this key")
        if not isinstance(json_["columns"], dict) or any(MARKER.match(n) for n in json_["columns"]):
            raise Finding("columns", "no object")
        self.secrets = 0
        columns = {self.name(n): v for n, v in json_["columns"].items()}
        self.columns = {name: self.value(value, name, 0) for name, value in columns.items()}
        self.body = [self.value(json_["body"], "$", 0)] if "body" in json_ else []
        if self.secrets > 65_536:
            raise Finding(None, "too many secrets")
        try:
            self.canonical = encode_document(self.columns, self.body)
            self.content_id = content_id(self.canonical)
        except Refused as error:
            raise Finding(None, error) from error

    def known(self, value, place):
        """References, in their keys too, are to kinds of the model."""
        if isinstance(value, Reference):
            if value.kind not in self.tree.kinds and value.kind not in self.tree.parts:
                raise Finding(place, "a reference to an unknown kind")
            for part in value.parts:
                self.known(part, place)

    def name(self, name):
        return name[1:] if ESCAPED.match(name) else name

    def value(self, value, place, level):
        if level > DEEPEST:
            raise Finding(place, "nested too deep")
        if isinstance(value, list):
            return [self.value(element, f"{place}[{i}]", level + 1) for i, element in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if any(MARKER.match(name) for name in value):
            found = self.marker(value, place)
            self.known(found, place)
            if level + levels(found) > DEEPEST:
                raise Finding(place, "nested too deep")
            return found
        named = {self.name(name): element for name, element in value.items()}
        return {name: self.value(element, place + step(name), level + 1) for name, element in named.items()}

    def marker(self, value, place):
        allowed = {
            "$ref": [{"$ref"}],
            "$dangling": [{"$dangling"}],
            "$hex": [{"$hex"}],
            "$secret": [{"$secret"}],
            "$sealed": [{"$sealed", "at"}],
            "$script": [{"$script"}, {"$script", "text"}],
        }
        word = next(name for name in value if MARKER.match(name))
        if set(value) not in allowed[word]:
            raise Finding(place, "a marker with other members")
        inner = value[word]
        if word in ("$ref", "$dangling"):
            if not isinstance(inner, dict) or len(inner) != 1:
                raise Finding(place, "a reference is an object of one member")
            ((kind, what),) = inner.items()
            if word == "$dangling":
                return Dangling(kind, self.id(what, place))
            (reference,) = key_of([{kind: what}], place, 512)
            if not isinstance(reference, Reference):
                raise Finding(place, "a dangling reference is another marker")
            return reference
        if word == "$hex":
            return unhex(inner, place)
        if word == "$script":
            return self.script(inner, value.get("text"), "text" in value, place)
        self.secrets += 1
        if word == "$secret":
            if inner is not True:
                raise Finding(place, "no secret")
            return Secret()
        sealed = unbase64(inner, place)
        if not is_text(value["at"]):
            raise Finding(place, "no place")
        if not 40 <= len(sealed) <= 16 * MIB + 40:
            raise Finding(place, "no sealed value has this length")
        if self.tree.envelope is None:
            raise Finding(place, "a sealed value without an envelope")
        if value["at"] != place and self.tree.data_key is None:
            self.tree.moved.append((self.path, place))
        self.sealed[place] = (sealed, value["at"])
        return Secret()

    def id(self, what, place):
        if isinstance(what, dict) and set(what) == {"$hex"}:
            return unhex(what["$hex"], place)
        if isinstance(what, (dict, list)):
            raise Finding(place, "no id")
        return what

    def script(self, file, text, copied, place):
        if not is_text(file) or not names.is_plain(file) or names.fold(file).endswith(".json"):
            raise Finding(place, "no name of a script")
        if copied and not is_text(text):
            raise Finding(place, "a copy's text is no text")
        path = "/".join(self.path.split("/")[:-1] + [file])
        data = self.tree.files.get(path)
        if data is None:
            there = path in self.tree.files or any(other.startswith(path + "/") for other in self.tree.files)
            if copied and not there:
                return text
            raise Finding(place, "no script")
        try:
            found = data.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise Finding(place, "a script that is no text") from error
        if "\0" in found:
            raise Finding(place, "a script that holds NUL")
        if copied and found != text:
            raise Finding(place, "a copy that differs")
        self.scripts[place] = (file, copied)
        return found

    def open(self):
        """The values of its secrets, by place. One at its own place that does not open is damaged."""
        found = {}
        for place, (sealed, at) in self.sealed.items():
            try:
                scope = self.tree.envelope["scope"]
                found[place] = envelope.value(self.tree.data_key, scope, (self.kind, self.text, at), sealed)
            except Failure as failure:
                if at == place:
                    raise
                raise Finding(place, failure) from failure
        return found


def source_id(id_):
    if isinstance(id_, dict):
        return {"bytes": id_["$hex"]}
    word = {Number: "number", str: "text", int: "integer"}.get(type(id_))
    return word and {word: str(id_)}


def reason(why):
    if not isinstance(why, dict):
        return [why] if why else []
    word = next(name for name in why if name != "at")
    ((kind, key),) = why[word].items()
    return [word, kind, key_text(key_of(key, word, 512)), why["at"]]


def files_of(folder):
    """All files below a folder, by path; a link is None."""
    found = {}
    for at, folders, files in os.walk(folder):
        for name in files + [name for name in folders if os.path.islink(os.path.join(at, name))]:
            full = os.path.join(at, name)
            path = os.path.relpath(full, folder).replace(os.sep, "/")
            found[path] = None if os.path.islink(full) else open(full, "rb").read()
    return found


class Tree:
    """Refuses with `findings`, a list of files and places, or with a Failure of another class."""

    def __init__(self, files, kinds, parts, password=None):
        self.files, self.kinds, self.parts = files, kinds, parts
        self.findings, self.moved, self.documents = [], [], []
        self.envelope = self.data_key = None
        if "sealift-incomplete.json" in files:
            raise Failure("open", "incomplete", "a writer did not end")
        if files.get("sealift.json") is None:
            raise Failure("open", "not-a-tree", "no sealift.json")
        try:
            self.about = parse_json(files["sealift.json"])
            self.read_about()
        except Finding as finding:
            self.findings.append(("sealift.json", finding.place))
            return
        if password is not None and self.envelope:
            self.data_key = envelope.unlock(
                self.envelope["slots"], self.envelope["scope"], self.envelope["commitment"], password
            )
        folded, keys = {}, {}
        for path in sorted(files, key=str.encode):
            if self.holds_documents(path):
                self.read(path, folded, keys)
        if self.findings:
            self.findings += self.moved
        elif self.moved:
            failure = Failure("read", "needs-password", "secrets were moved")
            failure.findings = self.moved
            raise failure

    def holds_documents(self, path):
        """At the root only these are somebody's documents."""
        path = names.fold(path)
        if path == "sealift.json":
            return False
        kinds = [names.fold(names.kind_name(kind)) for kind in self.kinds]
        first = path.partition("/")[0].removesuffix(".json")
        called = first == "_long" or first.startswith("%3f")
        called = called or any(first == kind or first.startswith(kind + "~") for kind in kinds)
        return called and path.endswith(".json")

    def read(self, path, folded, keys):
        data, shown = self.files[path], names.nfc(path)
        try:
            if data is None:
                raise Finding(None, "a link")
            if path.count("/") > 64:
                shown = "/".join(path.split("/")[:65])
                raise Finding(None, "folders that nest too deep")
            if any(len(name.encode()) > 255 for name in path.split("/")):
                raise Finding(None, "over the limit")
            if folded.setdefault(names.fold(path), path) != path:
                raise Finding(None, "two files fold to one path")
            document = Document(self, path, data)
            if keys.setdefault((document.kind, document.text), path) != path:
                raise Finding("key", "two documents of one key")
            if self.data_key:
                document.values = document.open()
            self.documents.append(document)
        except Finding as finding:
            self.findings.append((shown, finding.place))

    def read_about(self):
        about = self.about
        if not isinstance(about, dict):
            raise Finding(None, "no object")
        version = re.fullmatch(r"sealift tree ([1-9][0-9]*)", str(about.get("format")))
        if not version or not is_text(about["format"]):
            raise Finding("format", "the format is another")
        if version[1] != "1":
            raise Failure("open", "too-new", about["format"])
        if not is_text(about.get("model")):
            raise Finding("model", "no text")
        if about["model"] != "octopus":
            raise Failure("open", "other-model", about["model"])
        unhex(about.get("model_digest"), "model_digest", 32)
        for name in ("product_version", "server", "options", "created"):
            if about.get(name) is not None and not is_text(about[name]):
                raise Finding(name, "no text")
        if about.get("scripts") not in (None, "extract", "copy", "inline"):
            raise Finding("scripts", "an unknown word")
        if "envelope" in about:
            self.envelope = self.read_envelope(about["envelope"])
        self.read_notices(about.get("notices", []))
        self.read_coverage(about.get("coverage", []))
        self.read_list(about.get("documents", {}))

    def read_envelope(self, found):
        if not isinstance(found, dict):
            raise Finding("envelope", "no object")
        slots = found.get("slots")
        if not isinstance(slots, list) or not all(isinstance(slot, dict) for slot in slots):
            raise Finding("slots", "no list of objects")
        read = []
        for slot in slots:
            fields = [slot.get(name) for name in ("memory_kib", "passes", "lanes")]
            for name, number in zip(("memory_kib", "passes", "lanes"), fields):
                if not is_count(number) or number >= 1 << 32:
                    raise Finding(name, "no number of 32 bits")
            lengths = {"salt": 32, "nonce": 24, "wrapped": 48}
            read.append(fields + [unhex(slot.get(name), name, length) for name, length in lengths.items()])
        result = {
            "scope": unhex(found.get("scope"), "scope", 16),
            "commitment": unhex(found.get("commitment"), "commitment", 32),
            "slots": read,
        }
        if not 1 <= len(read) <= 16 or not all(map(envelope.slot_is_sound, read)):
            raise Finding("envelope", "no sound slots")
        return result

    def read_notices(self, notices):
        if not isinstance(notices, list) or not all(isinstance(notice, dict) for notice in notices):
            raise Finding("notices", "no list of objects")
        for notice in notices:
            for name in NOTICE:
                absent = name not in ("code", "text") and notice.get(name) is None
                if not absent and not is_text(notice.get(name)):
                    raise Finding(name, "no text")
            if "count" in notice and not is_count(notice["count"]):
                raise Finding("count", "no number of 0 or more")

    def read_coverage(self, coverage):
        if not isinstance(coverage, list) or not all(isinstance(row, dict) for row in coverage):
            raise Finding("coverage", "no list of objects")
        self.coverage, counted = [], set()
        for row in coverage:
            if not is_text(row.get("kind")):
                raise Finding("kind", "no text")
            extents = [name for name in ("whole", "part", "belonging_to") if name in row]
            if len(extents) != 1:
                raise Finding("coverage", "not one extent")
            name, found = extents[0], row[extents[0]]
            if name != "belonging_to":
                if not is_count(found):
                    raise Finding(name, "no number of 0 or more")
                if row["kind"] in counted:
                    raise Finding("coverage", "a kind that counts twice")
                counted.add(row["kind"])
                self.coverage.append([row["kind"], name, found, None, None])
                continue
            if not isinstance(found, dict) or len(found) != 1:
                raise Finding(name, "no document")
            key_of([found], name, 512)
            self.coverage.append([row["kind"], "belonging", None, *reason({"at": None, "belongs_to": found})[1:3]])

    def read_list(self, listed):
        if not isinstance(listed, dict):
            raise Finding("documents", "no object")
        for path, line in listed.items():
            if not isinstance(line, dict):
                raise Finding(path, "no object")
            id_ = line.get("id")
            if isinstance(id_, dict) and set(id_) == {"$hex"}:
                unhex(id_["$hex"], path)
            elif isinstance(id_, (dict, list, bool)):
                raise Finding(path, "no id")
            scripts = line.get("scripts", [])
            if not isinstance(scripts, list) or not all(map(is_text, scripts)):
                raise Finding(path, "no list of names")
            if "why" in line and line["why"] != "named":
                self.reason(line["why"], path)

    def reason(self, why, path):
        if not isinstance(why, dict) or not is_text(why.get("at")) or len(why) != 2:
            raise Finding(path, "no reason")
        found = why.get("needed_by", why.get("belongs_to"))
        if not isinstance(found, dict) or len(found) != 1:
            raise Finding(path, "no document")
        key_of([found], path, 512)

    def listing(self):
        """All that the tree holds, documents in order of kind and key."""
        lines = self.about.get("documents", {})
        documents = [
            {
                "kind": d.kind,
                "key": d.text,
                "source_id": source_id(lines.get(names.nfc(d.path), {}).get("id")),
                "reason": reason(lines.get(names.nfc(d.path), {}).get("why")),
                "content_id": d.content_id.hex(),
                "canonical": d.canonical.hex(),
                "secret_places": secret_places((d.columns, d.body)),
                "secrets": {place: value.decode() for place, value in d.values.items()},
            }
            for d in sorted(self.documents, key=lambda d: (d.kind.encode(), d.text.encode()))
        ]
        notices = self.about.get("notices", [])
        coverage = sorted(self.coverage, key=lambda row: [(part is not None, part or "") for part in row[:2] + row[3:]])
        return {
            "content_root": self.content_root().hex(),
            "documents": documents,
            "notices": [[notice.get(part) for part in NOTICE] + [notice.get("count", 0)] for notice in notices],
            "coverage": coverage,
        }

    def content_root(self):
        hashed = b""
        for d in sorted(self.documents, key=lambda d: (d.kind.encode(), d.text.encode())):
            for part in (d.kind.encode(), d.text.encode(), d.content_id):
                hashed += le64(len(part)) + part
        return derive("sealift 2026-11 bundle v1 content root", hashed)
