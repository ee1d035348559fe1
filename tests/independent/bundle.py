"""Bundles, from format-spec/bundle-v1.md alone.

Opens, verifies and unlocks; writes nothing. Every refusal names its stage and its class.
"""

import pathlib
import re
import sqlite3
import struct
import urllib.parse

import zstandard

import envelope
from canonical import NUMBER, Refused, content_id, decode, derive, fits, parse_key, secret_places
from envelope import Failure, le64

SPEC = pathlib.Path(__file__).resolve().parents[2] / "format-spec"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def kind_name(name):
    if not 1 <= len(name.encode()) <= 256:
        raise Refused("a kind's name is empty or too long")
    if any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in name):
        raise Refused("a control character in a kind's name")


def schema():
    text = (SPEC / "bundle-v1.md").read_text(encoding="utf-8")
    return text.split("```sql\n")[1].split("```")[0].splitlines()


def stored_hash(*blobs):
    data = b"".join(le64(len(blob)) + blob for blob in blobs)
    return derive("sealift 2026-11 bundle v1 stored bytes", data)


class Cursor:
    """Varints and byte strings."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Refused("the bytes end early")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        number, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if shift > 63 or number >= 1 << 64:
                raise Refused("a varint over 64 bits")
            if byte < 128:
                if byte == 0 and shift:
                    raise Refused("a varint is not in its shortest form")
                return number
            shift += 7

    def varints(self, count):
        return [self.varint() for _ in range(count)]

    def string(self, most):
        count = self.varint()
        if count > most:
            raise Refused("a string over its limit")
        return self.take(count)

    def end(self):
        if self.at != len(self.data):
            raise Refused("bytes follow")


def decompress(data, raw_bytes):
    """Exactly one frame of exactly that many bytes; a piece at a time, so that a bomb is noticed early."""
    if data[:4] != b"\x28\xb5\x2f\xfd":
        raise Refused("no zstd frame")
    frame = zstandard.ZstdDecompressor(max_window_size=128 * MIB).decompressobj()
    out = bytearray()
    try:
        for at in range(0, len(data), 64):
            if frame.eof:
                raise Refused("bytes follow the frame")
            out += frame.decompress(data[at : at + 64])
            if len(out) > raw_bytes:
                raise Refused("more bytes than declared")
    except zstandard.ZstdError as error:
        raise Refused(str(error)) from error
    if not frame.eof or frame.unused_data or len(out) != raw_bytes:
        raise Refused("not one frame of the declared length")
    return bytes(out)


class Bundle:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        try:
            self.open()
        except (Refused, sqlite3.Error) as error:
            raise Failure("open", "damaged", error) from error

    # Opening, step by step.

    def open(self):
        if not self.path.is_file():
            raise Failure("open", "not-a-bundle", "no regular file")
        if self.path.stat().st_size > 256 * GIB:
            raise Failure("open", "limit", "the file is too large")
        self.bytes = self.path.read_bytes()
        self.check_header()
        for suffix in ("-wal", "-journal", "-shm"):
            if self.path.with_name(self.path.name + suffix).exists():
                raise Refused("a file beside the bundle")
        uri = "file:" + urllib.parse.quote(str(self.path.resolve())) + "?mode=ro&immutable=1"
        self.db = sqlite3.connect(uri, uri=True)
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "query_only=ON"):
            self.db.execute("PRAGMA " + pragma)
        self.check_schema()
        root = self.bytes[8160:8192]
        if self.db.execute("SELECT id, root FROM seal").fetchall() != [(1, root)]:
            raise Refused("the seal is not one row with the bytes at 8160")
        zeroed = self.bytes[:8160] + bytes(32) + self.bytes[8192:]
        if derive("sealift 2026-11 bundle v1 file root", zeroed) != root:
            raise Refused("the file root is another")
        if self.db.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            raise Refused("the structure is damaged")
        self.read_meta()
        self.read_envelope()
        self.read_kinds()

    def check_header(self):
        head = self.bytes[:100]
        if len(head) < 100 or head[:16] != b"SQLite format 3\0":
            raise Failure("open", "not-a-bundle", "no SQLite file")
        word = lambda at: struct.unpack(">I", head[at : at + 4])[0]
        if word(68) != 0x5365614C:
            raise Failure("open", "not-a-bundle", "another application's file")
        if word(60) > 1:
            raise Failure("open", "too-new", f"version {word(60)}; this reader reads 1")
        right = (
            word(60) == 1
            and head[16:24] == bytes([0x10, 0, 1, 1, 0, 64, 32, 32])
            and word(24) == word(92)
            and word(28) * 4096 == len(self.bytes)
            and word(28) >= 2
            and [word(at) for at in (32, 36, 44, 48, 52, 56, 64)] == [0, 0, 4, 0, 0, 1, 0]
            and head[72:92] == bytes(20)
        )
        if not right:
            raise Refused("the header is not a bundle's")

    def check_schema(self):
        rows = self.db.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid")
        expected = []
        for sql in schema():
            type_, name = re.match(r"CREATE (TABLE|VIEW) (\w+)", sql).groups()
            expected.append((type_.lower(), name, name, sql))
        rows = rows.fetchall()
        if [(t, n, tn, sql) for t, n, tn, _, sql in rows] != expected:
            raise Refused("the schema is not a bundle's")
        for type_, name, _, root, _ in rows:
            if (name == "seal" and root != 2) or (type_ == "view") != (root == 0):
                raise Refused("a root page is not a bundle's")

    def read_meta(self):
        rows = self.db.execute("SELECT name, value FROM meta LIMIT 65").fetchall()
        if len(rows) > 64:
            raise Refused("too many rows in meta")
        for name, value in rows:
            if not isinstance(value, (int, str, bytes)) or (isinstance(value, int) and value < 0):
                raise Refused(f"{name} is of no known type")
            if not isinstance(value, int) and len(value.encode() if isinstance(value, str) else value) > MIB:
                raise Refused(f"{name} is too long")
        self.meta = meta = dict(rows)

        def need(name, type_, length=None, absent=False):
            value = meta.get(name)
            if value is None and absent:
                return
            if not isinstance(value, type_) or (length is not None and len(value) != length):
                raise Refused(f"{name} is missing or not what it should be")

        need("requires", str)
        for feature in meta["requires"].split(" "):
            if feature:
                raise Failure("open", "unknown-feature", feature)
        for name in ("writer", "model"):
            need(name, str)
        for name in ("product_version", "server", "options", "created"):
            need(name, str, absent=True)
        for name in ("documents", "scopes", "packs", "chunks", "notices", "coverage", "secrets", "sealed", "raw_bytes"):
            need(name, int)
        need("model_digest", bytes, 32)
        need("content_root", bytes, 32)
        need("scope", bytes, 16, absent=True)
        need("commitment", bytes, 32, absent=True)
        if meta["documents"] > 100_000_000 or max(meta["notices"], meta["coverage"]) > 1_000_000:
            raise Refused("a count over its limit")
        if max(meta["scopes"], meta["packs"]) > meta["documents"] or meta["sealed"] > meta["secrets"]:
            raise Refused("counts that cannot be")
        if meta["chunks"] != (meta["documents"] + 1023) // 1024:
            raise Refused("the chunks do not fit the documents")

    def read_envelope(self):
        self.slots = self.db.execute("SELECT * FROM slots ORDER BY slot LIMIT 17").fetchall()
        if len(self.slots) > 16:
            raise Refused("more than 16 slots")
        for number, (slot, *fields) in enumerate(self.slots, 1):
            if slot != number or not envelope.slot_is_sound(fields):
                raise Refused(f"slot {number} is malformed")
        there = {bool(self.slots), "scope" in self.meta, "commitment" in self.meta}
        if len(there) > 1 or (not self.slots and self.meta["sealed"]):
            raise Refused("parts of the envelope are missing")

    def read_kinds(self):
        self.kinds = self.db.execute("SELECT * FROM kinds ORDER BY kind LIMIT 4097").fetchall()
        if len(self.kinds) > 4096:
            raise Refused("too many kinds")
        last, sums = None, [0, 0, 0, 0]
        for number, (kind, name, documents, first, packs, first_pack, secrets, sealed) in enumerate(self.kinds, 1):
            raw = name.encode()
            if kind != number or (last is not None and raw <= last):
                raise Refused("kinds are not numbered in the order of their names")
            kind_name(name)
            if documents < 1 or packs < 1 or secrets < 0 or not 0 <= sealed <= secrets:
                raise Refused("a kind's counts cannot be")
            if first != sums[0] + 1 or first_pack != sums[1] + 1:
                raise Refused("the runs of the kinds do not follow one another")
            last = raw
            sums = [a + b for a, b in zip(sums, (documents, packs, secrets, sealed))]
        if sums != [self.meta[name] for name in ("documents", "packs", "secrets", "sealed")]:
            raise Refused("the kinds' sums are not meta's")

    # Verifying without a password.

    def verify(self):
        try:
            self.read_names()
            self.read_chunks()
            self.read_packs()
            self.check_totals()
            self.read_notices()
            self.read_coverage()
        except (Refused, sqlite3.Error) as error:
            raise Failure("verify", "damaged", error) from error

    def limit(self, what, found, most):
        if found > most:
            raise Failure("verify", "limit", f"{what}: {found} is over the limit of {most}")

    def numbered(self, table, column, count):
        numbers = [row[0] for row in self.db.execute(f"SELECT {column} FROM {table} ORDER BY {column}")]
        if numbers != list(range(1, count + 1)):
            raise Refused(f"{table} are not numbered from 1 to {count}")

    def read_names(self):
        self.numbered("documents", "document", self.meta["documents"])
        self.numbered("scopes", "scope", self.meta["scopes"])
        scopes = {row[0]: row[1:] for row in self.db.execute("SELECT scope, kind, head, tail FROM scopes")}
        runs = [kind for kind, _, documents, *_ in self.kinds for _ in range(documents)]
        self.documents, highest, last, together = [], 0, None, 0
        for number, scope, name in self.db.execute("SELECT * FROM documents ORDER BY document"):
            if scope not in scopes or scope > highest + 1:
                raise Refused(f"document {number}: its scope")
            highest = max(highest, scope)
            kind, head, tail = scopes[scope]
            key = head + name + tail
            self.limit(f"document {number}: key", len(key.encode()), 64 * KIB)
            together += len(key.encode())
            self.limit("the keys together", together, MIB + 64 * len(self.bytes))
            if kind != runs[number - 1]:
                raise Refused(f"document {number} is not in the run of its kind")
            parse_key(key)
            if last is not None and (kind, key.encode()) <= last:
                raise Refused(f"document {number} is not after the one before")
            last = (kind, key.encode())
            self.documents.append({"number": number, "kind": self.kinds[kind - 1][1], "key": key})
        if highest != self.meta["scopes"]:
            raise Refused("a scope is not used")

    def read_chunks(self):
        self.numbered("chunks", "chunk", self.meta["chunks"])
        rows = self.db.execute(
            "SELECT chunk, first_document, documents, raw_bytes, hash, data, content_ids FROM chunks ORDER BY chunk"
        )
        hashed = b""
        for chunk, first, count, raw_bytes, hash_, data, ids in rows:
            self.limit(f"chunk {chunk}: documents", count, 1024)
            self.limit(f"chunk {chunk}: raw bytes", raw_bytes, min(512 * MIB, 16 * KIB + 256 * len(data)))
            if first != (chunk - 1) * 1024 + 1 or stored_hash(data, ids) != hash_:
                raise Refused(f"chunk {chunk}: its beginning or its hash")
            expected = self.documents[first - 1 : first + 1023]
            if count != len(expected) or len(ids) != 32 * count:
                raise Refused(f"chunk {chunk}: it does not index the documents it should")
            columns = Cursor(decompress(data, raw_bytes))
            packs, slots, secrets = (columns.varints(count) for _ in range(3))
            tags, lengths = columns.take(count), columns.varints(count)
            source_ids = [self.source_id(tag, length, columns) for tag, length in zip(tags, lengths)]
            reasons_count = columns.varint()
            if reasons_count > count:
                raise Refused("more reasons than documents")
            reasons = [self.reason(columns.string(1 << 32)) for _ in range(reasons_count)]
            which = columns.varints(count)
            columns.end()
            if max(which) >= len(reasons) or max(secrets) > 65_536:
                raise Refused("a reason that is not there, or too many secret places")
            for at, document in enumerate(expected):
                document.update(
                    pack=packs[at],
                    slot=slots[at],
                    secrets=secrets[at],
                    source_id=source_ids[at],
                    reason=reasons[which[at]],
                    content_id=ids[32 * at : 32 * at + 32],
                )
                for part in (document["kind"].encode(), document["key"].encode(), document["content_id"]):
                    hashed += le64(len(part)) + part
        if derive("sealift 2026-11 bundle v1 content root", hashed) != self.meta["content_root"]:
            raise Refused("the content root is another")

    def source_id(self, tag, length, columns):
        if length > 64 * KIB or tag > 4 or (tag == 0 and length):
            raise Refused("a source id that cannot be")
        data = columns.take(length)
        if tag in (0, 4):
            return [tag, data.hex()]
        text = utf8(data)
        if (tag == 1 and not fits(text)) or (tag == 3 and not NUMBER.match(text)):
            raise Refused("a source id that is not what its tag says")
        return [tag, text]

    def reason(self, data):
        cursor = Cursor(data)
        tag = cursor.take(1)[0]
        found = [tag]
        if tag in (2, 3):
            found += [utf8(cursor.string(64 * KIB)) for _ in range(3)]
            kind_name(found[1])
            parse_key(found[2])
        elif tag > 3:
            raise Refused("an unknown reason")
        cursor.end()
        return found

    def read_packs(self):
        self.numbered("packs", "pack", self.meta["packs"])
        runs = [kind for kind in self.kinds for _ in range(kind[4])]
        raw_total = 0
        for pack, count, raw_bytes, hash_, data in self.db.execute("SELECT * FROM packs ORDER BY pack"):
            self.limit(f"pack {pack}: documents", count, 65_536)
            if count < 1:
                raise Refused(f"pack {pack} holds no document")
            self.limit(f"pack {pack}: raw bytes", raw_bytes, 4 * MIB if count > 1 else 512 * MIB + 64 * KIB)
            self.limit(f"pack {pack}: raw bytes of those stored", raw_bytes, 16 * KIB + 256 * len(data))
            if stored_hash(data) != hash_:
                raise Refused(f"pack {pack}: its hash")
            cursor = Cursor(decompress(data, raw_bytes))
            if cursor.varint() != count:
                raise Refused(f"pack {pack}: its number of documents")
            numbers, lengths = cursor.varints(count), cursor.varints(count)
            _, _, documents, first, *_ = runs[pack - 1]
            for slot, (number, length) in enumerate(zip(numbers, lengths)):
                self.limit(f"pack {pack}: a document", min(length, len(cursor.data)), 512 * MIB)
                data = cursor.take(length)
                raw_total += length
                if not first <= number < first + documents:
                    raise Refused(f"pack {pack} holds a document of another kind or none")
                self.check_document(self.documents[number - 1], pack, slot, data)
            cursor.end()
        for document in self.documents:
            if "places" not in document:
                raise Refused(f"no pack holds document {document['number']}")
        if raw_total != self.meta["raw_bytes"]:
            raise Refused("the bytes of the documents are not as many as meta says")

    def check_document(self, document, pack, slot, data):
        number = document["number"]
        if "places" in document or (document["pack"], document["slot"]) != (pack, slot):
            raise Refused(f"document {number} is there twice, or not where the index says")
        if content_id(data) != document["content_id"]:
            raise Refused(f"document {number} does not have its content id")
        document["places"] = secret_places(decode(data))
        document["canonical"] = data
        if len(document["places"]) != document["secrets"]:
            raise Refused(f"document {number} has another number of secret places")

    def check_totals(self):
        for document in self.documents:
            document["sealed"] = {}
        for number, n, value in self.db.execute("SELECT document, n, value FROM sealed"):
            if not 1 <= number <= len(self.documents) or not 0 <= n < self.documents[number - 1]["secrets"]:
                raise Refused("a sealed value at no place")
            self.limit("a sealed value", len(value), 16 * MIB + 40)
            if len(value) < 40:
                raise Refused("a sealed value that is too short for one")
            values = self.documents[number - 1]["sealed"]
            values[n] = value
            self.limit("the sealed values of a document", sum(map(len, values.values())), 512 * MIB)
        for _, name, _, _, _, _, secrets, sealed in self.kinds:
            mine = [document for document in self.documents if document["kind"] == name]
            if sum(d["secrets"] for d in mine) != secrets or sum(len(d["sealed"]) for d in mine) != sealed:
                raise Refused(f"{name}: its secrets are not as many as it says")

    def read_notices(self):
        rows = self.db.execute("SELECT * FROM notices ORDER BY n").fetchall()
        if [row[0] for row in rows] != list(range(1, self.meta["notices"] + 1)):
            raise Refused("the notices are not numbered from 1 to meta's count")
        order, together = [], 0
        for row in rows:
            *texts, count = row[1:]
            if not 0 <= count:
                raise Refused("a notice counts less than nothing")
            for part in texts:
                self.limit("a notice", len((part or "").encode()), 64 * KIB)
            together += sum(len((part or "").encode()) for part in texts)
            self.limit("the notices", together, 256 * MIB)
            order.append(([(part is not None, (part or "").encode()) for part in texts], count))
        if any(a >= b for a, b in zip(order, order[1:])):
            raise Refused("the notices are not in order, each once")
        self.notices = [row[1:] for row in rows]

    def read_coverage(self):
        rows = self.db.execute("SELECT * FROM coverage ORDER BY n").fetchall()
        if [row[0] for row in rows] != list(range(1, self.meta["coverage"] + 1)):
            raise Refused("the coverage is not numbered from 1 to meta's count")
        order, counted, together = [], set(), 0
        for _, kind, extent, count, owner_kind, owner_key in rows:
            kind_name(kind)
            if extent == "belonging":
                if count is not None or owner_kind is None or owner_key is None:
                    raise Refused("a row of coverage that belongs to nothing, or counts")
                kind_name(owner_kind)
                self.limit("a key", len(owner_key.encode()), 64 * KIB)
                together += len(owner_key.encode())
                self.limit("the keys of coverage", together, 256 * MIB)
                parse_key(owner_key)
            elif extent in ("whole", "part"):
                if count is None or count < 0 or owner_kind is not None or owner_key is not None or kind in counted:
                    raise Refused("a row of coverage that does not count, or belongs, or is a second one")
                counted.add(kind)
            else:
                raise Refused("coverage of no known extent")
            parts = (kind, extent, owner_kind, owner_key)
            order.append([(part is not None, (part or "").encode()) for part in parts])
        if any(a >= b for a, b in zip(order, order[1:])):
            raise Refused("the coverage is not in order, each once")
        self.coverage = [row[1:] for row in rows]

    # With the password.

    def unlock(self, password):
        """The data key; nothing where the bundle has no envelope."""
        if not self.slots:
            return None
        slots = [slot[1:] for slot in self.slots]
        return envelope.unlock(slots, self.meta["scope"], self.meta["commitment"], password)

    def secrets(self, data_key):
        """Every secret, as number, place and value."""
        found = []
        for document in self.documents:
            for n, value in sorted(document["sealed"].items()):
                place = document["places"][n]
                names = document["kind"], document["key"], place
                found.append((document["number"], place, envelope.value(data_key, self.meta["scope"], names, value)))
        return found


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("text is not UTF-8") from error
