"""The JSON objects in a model's text, wherever it has put them. The text is hostile: every step is linear in it."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

_TAGS = "think|thinking|thought|reasoning|reflection|scratchpad|analysis"
_TAG = re.compile(rf"<(/?)(?:{_TAGS})\b[^<>]{{0,100}}>", re.IGNORECASE)
_FENCE = re.compile(r"```[A-Za-z0-9_+-]*[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)
_DEPTH = 60  # of objects and arrays; a decision has four
NAME = "decisions"
MANY = 5  # different decisions in one answer: more are not told apart
PARTS = 20  # objects and fences of an answer that are looked into
TOKENS = 3_000  # strings, comments and words that a lenient reading goes through; ten entries have some hundred
WRAPPERS = ("result", "response", "output", "answer", "data", "decision", "trading_decision", "TradingDecision")

# What a lenient reading changes, token by token; strings come first: nothing inside of them is touched. A string,
# a quote or a comment that never ends is taken whole, and nothing is given back (`++`, `*+`): each sign is looked at a
# fixed number of times. Scanned anew from each sign instead, 49 kB of them take 17 s.
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))"""
    r"""|(?P<single>'(?:[^'\\\n]++|\\.)*+')|(?P<open>'(?:[^'\\\n]++|\\.)*+)"""
    r"""|(?P<comment>//[^\n]*+|\#[^\n]*+|/\*(?:.*?\*/|.*+))"""
    r"""|(?P<comma>,(?=\s*+[}\]]))"""
    r"""|(?P<word>\b(?:True|False|None)\b)""",
    re.DOTALL,
)
# Half of a surrogate pair, between whole pairs and other escapes.
_HALF = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)
_PERHAPS_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_WORDS = {"True": "true", "False": "false", "None": "null"}


@dataclass(frozen=True, slots=True)
class ExtractedValue:
    """A JSON value that holds `decisions`, and what had to be understood for it, one line each."""

    value: dict[str, Any]
    notes: tuple[str, ...] = ()


class Ambiguous(ValueError):
    """The text can be read in two ways; the message says how."""


def find(text: str) -> tuple[ExtractedValue, ...]:
    """The different objects with `decisions`, best guess first. Raises Ambiguous for a key that has two values."""
    whole, replaced = _whole_characters(text.lstrip("\ufeff"))
    bare, unwrapped = without_reasoning(whole)
    notes = replaced + unwrapped
    fences = _likely(_FENCE.findall(bare))
    for candidate in (bare, *fences):
        if (value := _wrapped(load(candidate))) is not None:
            others = () if candidate == bare else _in_fences(fences)
            return _different((ExtractedValue(value, notes), *(ExtractedValue(other, notes) for other in others)))
    parts = _likely(spans(bare) if NAME in bare else ())
    strict = tuple(ExtractedValue(v, notes) for span in parts if (v := _wrapped(load(span))) is not None)
    return _different(strict) or _different(_lenient(bare, parts, notes))


def _likely(parts: Iterable[str]) -> tuple[str, ...]:
    """The parts that name what is looked for, as many as are worth a look."""
    return tuple(islice((part.strip() for part in parts if NAME in part), PARTS))


def _whole_characters(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with a question mark for each half of a surrogate pair, written or escaped: no file, message or hash can
    hold one, and it is no reason to throw an answer away."""
    escaped = (
        text
        if _PERHAPS_HALF.search(text) is None
        else _HALF.sub(lambda escape: "?" if escape.group(1) else escape.group(), text)
    )
    whole = escaped.encode("utf-8", "replace").decode()
    return whole, ("half a character was replaced by ?",) if whole != text else ()


def without_reasoning(text: str) -> tuple[str, tuple[str, ...]]:
    """The text outside of reasoning tags. Reasoning whose begin is missing starts with the text; reasoning that never
    ends is taken whole: a draft in it is no answer. What stands in tags alone, all of them closed, is the answer."""
    outside: list[str] = []
    depth, at = 0, 0
    for tag in _TAG.finditer(text):
        if tag.group(1):
            if depth == 0:
                outside.clear()
            depth = max(0, depth - 1)
        else:
            if depth == 0:
                outside.append(text[at : tag.start()])
            depth += 1
        at = tag.end()
    closed = depth == 0
    bare = "".join((*outside, text[at:] if closed else "")).strip()
    inside = _TAG.sub("", text).strip() if closed and not bare else ""
    return (inside, ("the answer stood inside of reasoning tags",)) if inside else (bare, ())


def load(text: str) -> Any:
    """The value of strict JSON (line breaks in strings allowed), or None. Raises Ambiguous as `find` does."""
    if _too_deep(text):
        return None
    try:
        return json.loads(text, strict=False, object_pairs_hook=_once)
    except Ambiguous:
        raise
    except (ValueError, RecursionError):
        return None


def spans(text: str) -> list[str]:
    """The outermost balanced {…} of a text, in order; quotes count inside of braces alone."""
    stack: list[int] = []
    found: list[tuple[int, int]] = []
    quoted, at = False, 0
    for mark in _MARKS.finditer(text):
        sign, at = mark.group(), mark.start()
        if quoted:
            quoted = sign != '"'
        elif sign == "{":
            stack.append(at)
        elif sign == '"':
            quoted = bool(stack)
        elif sign == "}" and stack:
            begin = stack.pop()
            while found and found[-1][0] > begin:
                found.pop()
            found.append((begin, at + 1))
    return [text[begin:end] for begin, end in found]


_MARKS = re.compile(r'\\.|[{}"]', re.DOTALL)


def _lenient(text: str, parts: Sequence[str], notes: tuple[str, ...]) -> Iterator[ExtractedValue]:
    """Objects that are JSON but for commas too many, comments, Python's words or single quotes."""
    for span in (text, *parts):
        changed: set[str] = set()
        strict = _TOKEN.sub(partial(_as_json, changed), span, count=TOKENS)
        if changed and (value := _wrapped(load(strict))) is not None:
            yield ExtractedValue(value, (*notes, f"read as JSON in spite of {', '.join(sorted(changed))}"))
            if span is text:
                return


def _as_json(changed: set[str], token: re.Match[str]) -> str:
    kind, text = token.lastgroup, token.group()
    if kind in ("string", "open"):
        return text
    if kind == "single":
        changed.add("single quotes")
        return json.dumps(re.sub(r"\\(.)", r"\1", text[1:-1]), ensure_ascii=False)
    if kind == "word":
        changed.add(f"the word {text}")
        return _WORDS[text]
    changed.add("comments" if kind == "comment" else "commas at an end")
    return ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key given twice with two values is told, never settled by whichever comes last."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made and made[key] != value:
            raise Ambiguous(f"the field `{key[:60]}` is there twice with different values; give it once")
        made[key] = value
    return made


def _wrapped(value: Any) -> dict[str, Any] | None:
    """The object with `decisions`: the value itself, or what it wraps under a customary name."""
    for _ in range(3):
        if not isinstance(value, dict):
            return None
        if "decisions" in value:
            return value
        value = next((value[name] for name in WRAPPERS if name in value), None)
    return None


def _in_fences(fences: Iterable[str]) -> list[dict[str, Any]]:
    found = (_wrapped(load(body)) for body in fences)
    return [value for value in found if value is not None]


def _different(found: Iterable[ExtractedValue]) -> tuple[ExtractedValue, ...]:
    """At most MANY of them: each is compared with those alone that are kept."""
    kept: list[ExtractedValue] = []
    for candidate in found:
        if all(candidate.value != other.value for other in kept):
            kept.append(candidate)
        if len(kept) == MANY:
            break
    return tuple(kept)


def _too_deep(text: str) -> bool:
    """Whether brackets nest deeper than any answer; those in strings are counted too, which is on the safe side."""
    left = text.encode("ascii", "replace").translate(_ROUND, _NO_BRACKETS)
    for _ in range(_DEPTH):
        inner = left.replace(b"()", b"")
        if len(inner) == len(left):
            break
        left = inner
    return b"(" * (_DEPTH + 1) in left if b"()" not in left else True


_ROUND = bytes.maketrans(b"{[}]", b"(())")
_NO_BRACKETS = bytes(sign for sign in range(256) if sign not in b"{[}]")
