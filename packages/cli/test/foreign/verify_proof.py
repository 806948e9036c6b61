"""A verifier in another language, written from docs/format/commitment.md alone and with nothing but the standard
library. It shares no line with packages/proof: what both accept was said clearly enough.

    verify_proof.py PROOF.json ANCHOR.json              what `authledger proof get -o json` writes
    verify_proof.py RECEIPT ANCHOR.json QUESTION.json   a c2sp.org/tlog-proof@v1 file and what is asked of it

Policies that lie with it ("policies" in the JSON, RECEIPT.policies beside a receipt) lead from the anchor's replicas to
those that signed. Prints one JSON object: the answer, the height and the size of the checkpoint. Exits with 1 when anything is wrong.
"""
import base64
import hashlib
import json
import os
import struct
import sys

PATH_BITS = 384
LEVELS = 8


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def lp16(text):
    return struct.pack(">H", len(text)) + text


def require(is_true, what):
    if not is_true:
        raise ValueError(what)


# -- Ed25519, RFC 8032 5.1 -------------------------------------------------------------------------------------
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    require((x * x - square) % P == 0, "point")
    return P - x if x % 2 != sign else x


def add(a, b):
    m = D * a[0] * b[0] * a[1] * b[1] % P
    return (
        (a[0] * b[1] + a[1] * b[0]) * pow(1 + m, -1, P) % P,
        (a[1] * b[1] + a[0] * b[0]) * pow(1 - m, -1, P) % P,
    )


def multiply(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def point_of(data):
    number = int.from_bytes(data, "little")
    y = number & (2**255 - 1)
    return (recover_x(y, number >> 255), y)


BASE = (recover_x(4 * pow(5, -1, P) % P, 0), 4 * pow(5, -1, P) % P)


def verify_signature(key, message, signature):
    s = int.from_bytes(signature[32:], "little")
    require(len(signature) == 64 and s < L, "signature")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    right = add(point_of(signature[:32]), multiply(k, point_of(key)))
    require(multiply(s, BASE) == right, "signature")


# -- Paths -----------------------------------------------------------------------------------------------------
class Paths:
    def __init__(self, salt):
        self.salt = salt

    def of(self, kind, partition, group, item):
        head = b"\x10" + self.salt
        first = sha(head, b"\x01", bytes([kind]), lp16(partition))
        second = sha(head, b"\x02", bytes([kind]), lp16(partition), lp16(group))
        third = sha(head, b"\x03", bytes([kind]), lp16(partition), lp16(group), lp16(item))
        return first[:16] + second[:8] + third[:24]


def bit_at(path, i):
    return path[i // 8] >> (7 - i % 8) & 1


def prefix(path, bits):
    kept = int.from_bytes(path, "big") >> (PATH_BITS - bits) << (PATH_BITS - bits) if bits else 0
    return kept.to_bytes(48, "big")


# -- State proofs ----------------------------------------------------------------------------------------------
class Node:
    def __init__(self, kind, digest, path=None, bit=None, sides=(None, None), record=None):
        self.kind, self.digest, self.path = kind, digest, path
        self.bit, self.sides, self.record = bit, sides, record


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        require(self.at + count <= len(self.data), "cut")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")


def parse_record(data):
    reader = Reader(data)
    kind = reader.number(1)
    parts = [reader.take(reader.number(2)) for _ in range(3)]
    version, expires = reader.number(8), reader.number(8)
    digest = None
    if reader.number(1):
        digest = (reader.number(4), reader.take(32))
    require(reader.at == len(data), "record")
    return {"key": (kind, *parts), "version": version, "expires": expires, "digest": digest}


class StateProof:
    def __init__(self, data, paths, vault_ref):
        self.reader, self.paths = Reader(data), paths
        take, number = self.reader.take, self.reader.number
        require(take(4) == b"LSP1", "magic")
        self.total = number(8)
        self.buckets, known, last = {}, {}, -1
        for _ in range(number(2)):
            bucket, count = number(1), number(8)
            require(bucket > last, "order")
            last = bucket
            node = self.node(-1)
            require((node.kind == "empty") == (count == 0), "count")
            self.buckets[bucket] = node
            known[bucket] = sha(b"\x13", bytes([bucket]), struct.pack(">Q", count), node.digest)
        for level in range(LEVELS):
            above = {}
            for pair in sorted({index // 2 for index in known}):
                left = known[2 * pair] if 2 * pair in known else take(32)
                right = known[2 * pair + 1] if 2 * pair + 1 in known else take(32)
                above[pair] = sha(b"\x14", bytes([level]), left, right)
            known = above
        require(self.reader.at == len(data), "trailing")
        self.root = sha(b"\x15", vault_ref, struct.pack(">Q", self.total), known[0])

    def node(self, parent):
        take, number = self.reader.take, self.reader.number
        tag = number(1)
        if tag == 5:
            require(parent == -1, "empty below")
            return Node("empty", bytes(32))
        if tag == 1:
            data = take(number(4))
            record = parse_record(data)
            path = self.paths.of(*record["key"])
            digest = sha(b"\x11", path, sha(b"\x16", self.paths.salt, data))
            return Node("leaf", digest, path, record=record)
        if tag == 2:
            path, record_hash = take(48), take(32)
            return Node("leaf", sha(b"\x11", path, record_hash), path)
        bit = number(2)
        require(max(7, parent) < bit < PATH_BITS, "bit")
        if tag == 4:
            path = take((bit + 7) // 8).ljust(48, b"\0")
            require(prefix(path, bit) == path, "padding")
            sides = (Node("pruned", take(32)), Node("pruned", take(32)))
        elif tag == 3:
            left = self.node(bit)
            sides = (left, self.node(bit))
        else:
            require(tag in (6, 7), "tag")
            pruned = Node("pruned", take(32))
            shown = self.node(bit)
            sides = (pruned, shown) if tag == 6 else (shown, pruned)
        for side, node in enumerate(sides):
            if node.path is None:
                continue
            path = node.path
            require(bit_at(path, bit) == side, "side")
            require(all(n.path is None or prefix(n.path, bit) == prefix(path, bit) for n in sides), "prefix")
        digest = sha(b"\x12", struct.pack(">H", bit), prefix(path, bit), sides[0].digest, sides[1].digest)
        return Node("branch", digest, path, bit, sides)

    def get(self, key):
        path = self.paths.of(*key)
        node = self.buckets.get(path[0])
        while node is not None and node.kind == "branch":
            if prefix(path, node.bit) != prefix(node.path, node.bit):
                return None
            node = node.sides[bit_at(path, node.bit)]
        require(node is not None and node.kind != "pruned", "insufficient")
        if node.kind == "empty" or node.path != path:
            return None
        require(node.record is not None, "insufficient")
        return node.record

    def list(self, kind, partition, group):
        bits = 128 if group is None else 192
        wanted = self.paths.of(kind, partition, group or b"", b"")
        require(wanted[0] in self.buckets, "insufficient")
        return list(self.walk(self.buckets[wanted[0]], kind, partition, group, prefix(wanted, bits), bits))

    def walk(self, node, kind, partition, group, wanted, bits):
        require(node.kind != "pruned", "insufficient")
        if node.kind == "empty":
            return
        shared = bits if node.kind == "leaf" else min(bits, node.bit)
        if prefix(node.path, shared) != prefix(wanted, shared):
            return
        if node.kind == "leaf":
            require(node.record is not None, "insufficient")
            key = node.record["key"]
            if key[:2] == (kind, partition) and group in (None, key[2]):
                yield node.record
            return
        sides = node.sides if node.bit >= bits else (node.sides[bit_at(wanted, node.bit)],)
        for side in sides:
            yield from self.walk(side, kind, partition, group, wanted, bits)


# -- History, RFC 9162 2.1.3.2 and 2.1.4.2 ---------------------------------------------------------------------
def verify_inclusion(leaf, index, size, proof, root):
    require(0 <= index < size, "index")
    at, last, digest = index, size - 1, leaf
    for other in proof:
        require(last > 0, "inclusion")
        if at & 1 or at == last:
            digest = sha(b"\x01", other, digest)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            digest = sha(b"\x01", digest, other)
        at, last = at >> 1, last >> 1
    require(last == 0 and digest == root, "inclusion")


def verify_consistency_from_one(first_root, size, root, proof):
    if size == 1:
        require(not proof and first_root == root, "consistency")
        return
    verify_inclusion(first_root, 0, size, proof, root)


# -- The whole answer ------------------------------------------------------------------------------------------
def verify_checkpoint(text, anchor):
    body, _, signatures = text.partition("\n\n")
    body += "\n"
    origin, size, root, rest = body.split("\n")
    require(origin == anchor["origin"] and rest == "", "checkpoint")
    policy = anchor["policy"]
    logs = {key.partition("+")[0]: key for key in policy["log"]}
    replicas = {entry["vkey"].partition("+")[0]: entry for entry in policy["replicas"]}
    has_log, cosigners, times = False, set(), []
    for line in signatures.strip().split("\n"):
        dash, name, data = line.split(" ")
        require(dash == "\u2014", "signature line")
        data = base64.b64decode(data, validate=True)
        vkey = logs.get(name) or replicas.get(name, {}).get("vkey")
        if vkey is None:
            continue
        key = base64.b64decode(vkey.split("+", 2)[2])
        require(data[:4] == sha(name.encode(), b"\n", key)[:4], "key id")
        if name in logs:
            verify_signature(key[1:], body.encode(), data[4:])
            has_log = True
        else:
            time = int.from_bytes(data[4:12], "big")
            verify_signature(key[1:], f"cosignature/v1\ntime {time}\n{body}".encode(), data[12:])
            cosigners.add(replicas[name]["id"])
            times.append(time)
    require(has_log and len(cosigners) >= policy["quorum"], "quorum")
    require(int(size) >= policy["from_size"], "from_size")
    return int(size), base64.b64decode(root, validate=True)


def verify(proof, anchor):
    salt, origin = bytes.fromhex(anchor["salt"]), anchor["origin"]
    vault_ref = sha(b"\x17", lp16(origin.encode()), sha(b"\x1a", salt))
    size, root = verify_checkpoint(proof["checkpoint"], anchor)
    unhex = bytes.fromhex
    genesis = unhex(anchor["genesis"])
    verify_consistency_from_one(genesis, size, root, [unhex(one) for one in proof["consistency_proof"]])
    header = unhex(proof["header"])
    require(len(header) == 244 and header[:5] == b"LVH1\x01" and header[8:40] == vault_ref, "header")
    height = int.from_bytes(header[40:48], "big")
    require(str(height) == proof["height"], "height")
    history = [unhex(one) for one in proof["history_proof"]]
    verify_inclusion(sha(b"\x00", header), height, size, history, root)
    state = StateProof(unhex(proof["state_proof"]), Paths(salt), vault_ref)
    require(state.root == header[172:204], "state root")
    require(state.total == int.from_bytes(header[204:212], "big"), "total")
    now = int.from_bytes(header[48:56], "big")
    answer = answer_of(state, proof, now)
    return {"answer": answer, "height": height, "size": size}


def is_live(record, now):
    return record is not None and (record["expires"] == 0 or record["expires"] > now)


def answer_of(state, proof, now):
    question = proof["question"]
    if question["kind"] == "list":
        return sorted(list_of(state, question, now))
    if question["kind"] == "tuple":
        resource, rest = question["tuple"].split("#", 1)
        relation, subject = rest.split("@", 1)
        record = state.get((1, resource.encode(), relation.encode(), subject.encode()))
        return "present" if is_live(record, now) else "absent"
    if question["kind"] == "policy":
        return state.get((4, b"ledger", b"policy", b""))
    at = question["key"].rfind(":") + 1
    record = state.get((3, question["key"][:at].encode(), b"", question["key"][at:].encode()))
    if not is_live(record, now):
        return "absent"
    value = bytes.fromhex(proof["value"])
    digest = sha(b"\x18", bytes.fromhex(proof["nonce"]), value)
    require(record["digest"] == (len(value), digest), "value")
    return "present"


def list_of(state, question, now):
    encoded = {name: text.encode() for name, text in question.items()}
    kind = 1 if "resource" in encoded else 2
    partition = encoded["resource" if kind == 1 else "subject"]
    for record in state.list(kind, partition, encoded.get("relation")):
        if not is_live(record, now):
            continue
        _, first, relation, last = record["key"]
        if kind == 2:
            twin = state.get((1, last, relation, first))
            require(twin is not None and twin["version"] == record["version"], "twin")
        resource, subject = (first, last) if kind == 1 else (last, first)
        yield f"{resource.decode()}#{relation.decode()}@{subject.decode()}"


# -- Receipts, c2sp.org/tlog-proof@v1 with "LVR1" as extra data -------------------------------------------------
def verify_receipt(text, anchor, question, path):
    salt, origin = bytes.fromhex(anchor["salt"]), anchor["origin"]
    vault_ref = sha(b"\x17", lp16(origin.encode()), sha(b"\x1a", salt))
    head, _, note = text.partition("\n\n")
    first, extra, index, *hashes = head.split("\n")
    require(first == "c2sp.org/tlog-proof@v1" and extra[:6] == "extra " and index[:6] == "index ", "receipt")
    size, root = verify_checkpoint(note, anchor)
    reader = Reader(base64.b64decode(extra[6:], validate=True))
    require(reader.take(4) == b"LVR1", "magic")
    header = reader.take(reader.number(4))
    inside = reader.take(reader.number(4))
    require(reader.at == len(reader.data), "trailing")
    require(len(header) == 244 and header[:5] == b"LVH1\x01" and header[8:40] == vault_ref, "header")
    height = int.from_bytes(header[40:48], "big")
    require(index == f"index {height}", "height")
    history = [base64.b64decode(one, validate=True) for one in hashes]
    verify_inclusion(sha(b"\x00", header), height, size, history, root)
    return {"answer": inside_of(header, inside, question, path, salt, vault_ref), "height": height, "size": size}


def inside_of(header, inside, question, path, salt, vault_ref):
    if not inside:
        return header[172:204].hex()
    if inside[:4] != b"LSP1":
        reader = Reader(inside)
        index, count = reader.number(4), reader.number(4)
        proof = [reader.take(32) for _ in range(reader.number(1))]
        transaction = reader.take(reader.number(4))
        require(reader.at == len(inside) and transaction[:4] == b"LVT1", "transaction")
        require(count == int.from_bytes(header[72:76], "big"), "count")
        verify_inclusion(sha(b"\x00", transaction), index, count, proof, header[76:108])
        return "transaction"
    state = StateProof(inside, Paths(salt), vault_ref)
    require(state.root == header[172:204], "state root")
    require(state.total == int.from_bytes(header[204:212], "big"), "total")
    asked = {"question": question}
    if question["kind"] == "entity" and os.path.exists(path + ".value"):
        with open(path + ".value", "rb") as file:
            stored = file.read()
        asked.update(nonce=stored[:16].hex(), value=stored[16:].hex())
    return answer_of(state, asked, int.from_bytes(header[48:56], "big"))


# -- Policies beside a receipt ---------------------------------------------------------------------------------
def anchors(anchor, policies):
    yield anchor
    for entry in policies:
        stored = bytes.fromhex(entry["policy_value"])
        policy = json.loads(stored[16:])
        if policy["epoch"] <= anchor["policy"]["epoch"]:
            continue
        record = verify_receipt(entry["receipt"], anchor, {"kind": "policy"}, "")["answer"]
        require(record is not None, "policy record")
        require(record["digest"] == (len(stored) - 16, sha(b"\x18", stored)), "policy value")
        require(policy["epoch"] == anchor["policy"]["epoch"] + 1, "epoch")
        require(policy["from_size"] >= anchor["policy"]["from_size"], "from_size")
        require(all(key.partition("+")[0] == anchor["origin"] for key in policy["log"]), "log key")
        anchor = {**anchor, "policy": policy}
        yield anchor


def under_policies(anchor, policies, judge):
    refusal = None
    for one in anchors(anchor, policies):
        try:
            return judge(one)
        except ValueError as error:
            refusal = refusal or error
    raise refusal


def policies_beside(path):
    if not os.path.exists(path + ".policies"):
        return []
    with open(path + ".policies", encoding="utf8") as file:
        beside = json.load(file)
    require(beside["format"] == 1, "format")
    return beside["policies"]


if __name__ == "__main__":
    files = []
    for name in sys.argv[1:4]:
        with open(name, encoding="utf8") as file:
            files.append(file.read())
    try:
        if files[0].startswith("c2sp.org/"):
            anchor, question = map(json.loads, files[1:])
            receipt, path = files[0], sys.argv[1]
            policies = policies_beside(path)
            verdict = under_policies(anchor, policies, lambda one: verify_receipt(receipt, one, question, path))
        else:
            proof, anchor = map(json.loads, files)
            verdict = under_policies(anchor, proof.get("policies", []), lambda one: verify(proof, one))
        print(json.dumps(verdict))
    except (ValueError, KeyError, IndexError) as error:
        print(f"refused: {error}", file=sys.stderr)
        sys.exit(1)
