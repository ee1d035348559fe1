"""A reader of bundles and trees written from format-spec/ alone, to find out whether the text is enough.

    reader.py vectors             take every vector as its description says
    reader.py trees               the same with the vectors of the tree
    reader.py fixtures            list and open every frozen bundle and tree, and compare with its listing
    reader.py list FILE [PASSWORD]

Needs the packages of requirements.txt beside this file. Answers 0, or 1 with what was not as it should be.
"""

import json
import pathlib
import sys
import tempfile
import tomllib

import names
import spell
import tree
from bundle import SPEC, Bundle, Failure
from canonical import Refused, content_id, decode, parse_key, secret_places


def listing(bundle, secrets):
    values = {}
    for number, place, value in secrets:
        values.setdefault(number, {})[place] = value.decode()
    documents = [
        {
            "number": d["number"],
            "kind": d["kind"],
            "key": d["key"],
            "source_id": d["source_id"],
            "reason": d["reason"],
            "content_id": d["content_id"].hex(),
            "canonical": d["canonical"].hex(),
            "secret_places": d["places"],
            "secrets": values.get(d["number"], {}),
        }
        for d in bundle.documents
    ]
    return {
        "content_root": bundle.meta["content_root"].hex(),
        "documents": documents,
        "notices": [list(notice) for notice in bundle.notices],
        "coverage": [list(row) for row in bundle.coverage],
    }


def read(path, password):
    bundle = Bundle(path)
    bundle.verify()
    key = bundle.unlock(password) if password is not None else None
    return bundle, bundle.secrets(key) if key else []


def bundle_vector(vector, folder, scratch):
    data = (folder / vector.get("file", vector.get("base"))).read_bytes()
    length = vector.get("length", len(data))
    data = bytearray(data[:length] + bytes(max(0, length - len(data))))
    for at, new in vector.get("edits", []):
        new = bytes.fromhex(new)
        data[at : at + len(new)] = new
    path = scratch / "vector.sealift"
    path.write_bytes(data)
    beside = scratch / ("vector.sealift" + vector["beside"]) if "beside" in vector else None
    if beside:
        beside.touch()
    try:
        bundle, secrets = read(path, vector["password"])
        return {
            "expect": "ok",
            "content_root": bundle.meta["content_root"].hex(),
            "documents": len(bundle.documents),
            "secrets_opened": len(secrets),
        }
    except Failure as failure:
        return {"expect": "refused", "stage": failure.stage, "class": failure.class_}
    finally:
        if beside:
            beside.unlink()


def small_vector(vector, data):
    try:
        if vector["file"].endswith(".json"):
            parse_key(data.decode("utf-8"))
            return {"expect": "ok"}
        places = secret_places(decode(data))
        return {"expect": "ok", "content_id": content_id(data).hex(), "secret_places": places}
    except Refused:
        return {"expect": "refused"}


def octopus():
    """The names of kinds and of parts, all that this reader knows of the model."""
    text = (SPEC / "vectors" / "tree" / "README.md").read_text(encoding="utf-8")
    return [text.split(f"```{block}\n")[1].split("```")[0].split() for block in ("kinds", "parts")]


def path_vector(vector):
    documents = [(kind, parse_key(key)) for kind, key, _ in vector["paths"]]
    paths = names.paths(documents)
    taken = all(names.is_path_of(path, *document) for path, document in zip(paths, documents))
    found = [[kind, key, path] for (kind, key, _), path in zip(vector["paths"], paths)]
    return {"expect": "ok" if taken else "refused", "paths": found}


def read_tree(files, password):
    found = tree.Tree(files, *octopus(), password)
    if found.findings:
        return {"expect": "findings", "findings": [[file, place or ""] for file, place in found.findings]}
    result = {"expect": "ok", "content_root": found.content_root().hex(), "documents": len(found.documents)}
    if password is not None:
        result["secrets_opened"] = sum(len(getattr(d, "values", ())) for d in found.documents)
    return result


def tree_vector(vector):
    if "paths" in vector:
        return path_vector(vector)
    files = {path: text.encode() for path, text in vector.get("files", {}).items()}
    files |= {path: bytes.fromhex(digits) for path, digits in vector.get("hex", {}).items()}
    try:
        return read_tree(files, vector.get("password"))
    except Failure as failure:
        found = [list(pair) for pair in getattr(failure, "findings", [])]
        return {"expect": failure.class_, "findings": found or None}


def tree_vectors():
    wrong, count = [], 0
    for path in sorted((SPEC / "vectors" / "tree").glob("*.toml")):
        vector = tomllib.loads(path.read_text(encoding="utf-8"))
        found = tree_vector(vector)
        said = {name: vector.get(name) for name in found}
        if vector.get("needs") == "model":
            said = {"expect": "ok"}
            found = {"expect": found["expect"]}
        if found != said:
            wrong.append(f"tree/{path.name}: found {found}, it says {said}")
        count += 1
    return wrong, f"{count} vectors of the tree"


def vectors():
    folder = SPEC / "vectors"
    wrong, count = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(folder.glob("*.toml")):
            vector = tomllib.loads(path.read_text(encoding="utf-8"))
            if vector.get("file", "").endswith((".bin", ".json")):
                found = small_vector(vector, (folder / vector["file"]).read_bytes())
            else:
                found = bundle_vector(vector, folder, pathlib.Path(scratch))
            said = {name: vector.get(name) for name in found}
            if found != said:
                wrong.append(f"{path.name}: found {found}, it says {said}")
            count += 1
    return wrong, f"{count} vectors"


def fixtures():
    folder = SPEC / "fixtures"
    wrong, count = [], 0
    for path in sorted(folder.glob("*.sealift")):
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        for password in said["passwords"]:
            found = listing(*read(path, password))
            for name, value in found.items():
                if value != said[name]:
                    wrong.append(f"{path.name}: {name}: found {value}, it says {said[name]}")
        count += 1
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        wrong += tree_fixture(path)
        count += 1
    return wrong, f"{count} fixtures"


def tree_fixture(path):
    said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    wrong = []
    for password in said["passwords"]:
        found = tree.Tree(tree.files_of(path), *octopus(), password)
        if found.findings:
            return [f"{path.name}: {found.findings}"]
        for name, value in found.listing().items():
            if value != said[name]:
                wrong.append(f"{path.name}: {name}: found {value}, it says {said[name]}")
    # A writer of this version writes these very files, and lists them.
    for document in found.documents:
        if spell.document(document).encode() != found.files[document.path]:
            wrong.append(f"{path.name}: {document.path} would be {spell.document(document)}")
    own = names.paths([(d.kind, d.key) for d in found.documents])
    if own != [d.path for d in found.documents] or sorted(own, key=str.encode) != list(found.about["documents"]):
        wrong.append(f"{path.name}: the documents would be called {own}")
    return wrong


def main(arguments):
    if arguments[:1] == ["list"] and len(arguments) in (2, 3):
        try:
            print(json.dumps(listing(*read(*(arguments[1:] + [None])[:2])), indent=2, ensure_ascii=False))
            return 0
        except Failure as failure:
            print(failure, file=sys.stderr)
            return 1
    tasks = {"vectors": vectors, "trees": tree_vectors, "fixtures": fixtures}
    if len(arguments) != 1 or arguments[0] not in tasks:
        print(__doc__, file=sys.stderr)
        return 2
    wrong, what = tasks[arguments[0]]()
    for line in wrong:
        print(line)
    print(f"{what}, {len(wrong)} not as they should be")
    return 1 if wrong or what.startswith("0 ") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
