"""Passwords and sealed values, from format-spec/envelope-v1.md alone."""

import struct

from argon2.low_level import Type, hash_secret_raw
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as xchacha_decrypt
from nacl.exceptions import CryptoError

from canonical import derive


class Failure(Exception):
    def __init__(self, stage, class_, why):
        super().__init__(f"{stage}: {class_}: {why}")
        self.stage, self.class_ = stage, class_


def le64(number):
    return struct.pack("<Q", number)


def parts(*items):
    return le64(len(items)) + b"".join(le64(len(item)) + item for item in items)


def slot_is_sound(fields):
    memory, passes, lanes, salt, nonce, wrapped = fields
    return (
        max(8192, 8 * lanes) <= memory < 1 << 32
        and 1 <= passes < 1 << 32
        and 1 <= lanes < 1 << 24
        and [len(salt), len(nonce), len(wrapped)] == [32, 24, 48]
    )


def unlock(slots, scope, commitment, password):
    """The data key."""
    work, passed_over = 0, False
    for memory, passes, lanes, salt, nonce, wrapped in slots:
        costly = memory > 1_048_576 or passes > 16 or lanes > 16
        if costly or work + memory * passes > 4_194_304:
            passed_over = True
            continue
        work += memory * passes
        output = hash_secret_raw(password.encode(), salt, passes, memory, lanes, 32, Type.ID, 0x13)
        key = derive("sealift 2026-11 bundle v1 key encryption", output)
        cost = struct.pack("<III", memory, passes, lanes)
        associated = parts(b"sealift 2026-11 bundle v1 slot wrapping", scope, cost, salt)
        try:
            data_key = xchacha_decrypt(wrapped, associated, nonce, key)
        except CryptoError:
            continue
        if derive("sealift 2026-11 bundle v1 key commitment", data_key + scope) != commitment:
            raise Failure("unlock", "damaged", "the key is not the one committed to")
        return data_key
    raise Failure("unlock", "too-expensive" if passed_over else "wrong-password", "no slot opens")


def value(data_key, scope, names, sealed):
    """What is sealed there; the names are kind, key text and place."""
    key = derive("sealift 2026-11 bundle v1 value sealing", data_key)
    context = b"sealift 2026-11 bundle v1 sealed value"
    associated = parts(context, scope, b"bundle 1", *[name.encode() for name in names])
    if len(sealed) < 40:
        raise Failure("opened", "damaged", f"{names}: too short")
    try:
        return xchacha_decrypt(sealed[24:], associated, sealed[:24], key)
    except CryptoError as error:
        raise Failure("opened", "damaged", f"{names}") from error
