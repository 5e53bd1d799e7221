"""Mutations of files that a user writes: bytes, lines and values, drawn from a seed."""

import random
import re
from collections.abc import Callable

VALUES = (
    *("", "~", "null", "true", "no", "{}", "[]", "[[]]", "{a: {}}", "- ", "?", "''", '"', "&a", "*a", "|", ">", "%"),
    "@",
    *("0", "-1", "-0.0", "1", "2", "3.5", "1e9", "1.0e+308", "1.0e-320", "0x10", "010", "1_000", "12:30", "2024-01-01"),
    *("9" * 18, "9" * 40, "9" * 5000, "-" + "9" * 30, "18446744073709551616", "2147483648", "16777216", "65536"),
    *(".nan", "NaN", "nan", ".inf", "-.inf", "inf", "1.0e+999", "Infinity"),
    *("../../evil", "../../../../../../etc/passwd", "/etc/passwd", "/dev/null", "/", "~", "~/evil", "~root/x", "."),
    *("..", "link.yaml", "loop", "nowhere.yaml", "x" * 300, "tiny.yaml", "a/b", "a\\b", "C:\\evil", "file.py:f"),
    "os:system",
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><b>', "{{7*7}}", "${HOME}", "$(touch evil)"),
    "`id`",
    *(
        '"\\0"',
        '"\\e[31mred"',
        '"a\\nb"',
        '"\\u202etxt"',
        "größe",
        "名前",
        "🙂",
        "!!python/object/apply:os.system [id]",
    ),
    *("!!binary aGk=", "!!set {a}", "<<", "lstm", "pascal", "mensa_g", "edge_tpu", "linear", "conv2d", "lpddr4"),
    *("[1, 2, 3]", "[a, a, a]", "{a: 1, a: 2}", "[" * 70 + "]" * 70, "[" * 3000, "{a: " * 80 + "1" + "}" * 80),
)
"""What may stand in place of any value."""

BOMB = (
    "bomb: ["
    + ", ".join([f"&b{level} [{', '.join(['x' if not level else f'*b{level - 1}'] * 9)}]" for level in range(9)])
    + "]\n"
)

Mutation = Callable[[random.Random, bytes], bytes]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to four mutations of a file, mostly of its values."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        data = rng.choices(MUTATIONS, WEIGHTS)[0](rng, data)
    return data


def _flip(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + bytes([rng.randrange(256)]) + data[place + rng.randrange(2) :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    start, size = rng.randrange(len(data) + 1), rng.choice((1, 1, 3, 20, len(data)))
    return data[:start] + data[start + size :]


def _splice(rng: random.Random, data: bytes) -> bytes:
    start, target = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    return data[:target] + data[start : start + rng.choice((2, 10, 80))] + data[target:]


def _encode(rng: random.Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    return rng.choice(
        (
            lambda: b"\xef\xbb\xbf" + data,
            lambda: text.encode("utf-16"),
            lambda: text.encode("latin-1", "replace") + b"\xe9\xff",
            lambda: data.replace(b"\n", b"\r\n"),
            lambda: data.replace(b"\n", b"\r"),
            lambda: data.replace(b" ", b"\t"),
            lambda: data.replace(b" ", b"\x00", 1),
            lambda: data.rstrip(b"\n"),
            lambda: b"",
            lambda: data + b"\n---\n" + data,
        )
    )()


def _line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    line = lines[place]
    lines[place : place + 1] = rng.choice(
        ([], [line, line], [b"  " + line], [line.lstrip()], [b"- " + line], [line, rng.choice(lines)], [b"# " + line])
    )
    return b"\n".join(lines)


_VALUE = re.compile(rb"(?<=[:,\[] )[^,\[\]{}#\n]+|(?<=,)[^,\n]+")
_KEY = re.compile(rb"[A-Za-z_]\w*(?=:)")


def _value(rng: random.Random, data: bytes) -> bytes:
    """A value becomes another: a nasty one, or one that stands elsewhere in the file."""
    places = list(_VALUE.finditer(data))
    if not places:
        return data
    found = rng.choice(places)
    other = rng.choice(places).group() if rng.random() < 0.2 else rng.choice(VALUES).encode()
    return data[: found.start()] + other + data[found.end() :]


def _number(rng: random.Random, data: bytes) -> bytes:
    """A number grows, shrinks, or changes its sign: what stays plausible goes furthest."""
    places = list(re.finditer(rb"(?<![\w.])\d+(\.\d+)?(?![\w.])", data))
    if not places:
        return data
    found = rng.choice(places)
    number = found.group()
    other = rng.choice(
        (b"-" + number, number + b"0", number + b"000000", number[:-1] or b"0", b"0", b"1", number + b".5")
    )
    return data[: found.start()] + other + data[found.end() :]


def _key(rng: random.Random, data: bytes) -> bytes:
    places = list(_KEY.finditer(data))
    if not places:
        return data
    found = rng.choice(places)
    key = found.group()
    other = rng.choice((key[:-1] or b"x", key + b"s", rng.choice(places).group(), b"name", b"<<", b"__class__", b"? x"))
    return data[: found.start()] + other + data[found.end() :]


def _bomb(rng: random.Random, data: bytes) -> bytes:
    return rng.choice((data + BOMB.encode(), BOMB.encode() + data, data + b"x: " + b"[" * 200, data + b"a: &a [*a]\n"))


MUTATIONS: tuple[Mutation, ...] = (_value, _number, _key, _line, _flip, _cut, _splice, _encode, _bomb)
WEIGHTS = (30, 25, 10, 10, 8, 6, 5, 4, 2)
