"""The JSON objects in a model's text, wherever it has put them. The text is hostile: every step is linear in it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

_TAGS = "think|thinking|thought|reasoning|reflection|scratchpad|analysis"
_TAG = re.compile(rf"<(/?)(?:{_TAGS})\b[^<>]{{0,100}}>", re.IGNORECASE)
_FENCE = re.compile(r"```[A-Za-z0-9_+-]*[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)
_DEPTH = 60  # of objects and arrays; a decision has four
WRAPPERS = ("result", "response", "output", "answer", "data", "decision", "trading_decision", "TradingDecision")

# What a lenient reading changes, token by token; strings come first so that nothing inside of them is touched.
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<single>'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<comment>//[^\n]*|\#[^\n]*|/\*.*?\*/)"""
    r"""|(?P<comma>,(?=\s*[}\]]))"""
    r"""|(?P<word>\b(?:True|False|None)\b)""",
    re.DOTALL,
)
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
    bare, notes = without_reasoning(text.lstrip("\ufeff"))
    for candidate in (bare, *(found.strip() for found in _FENCE.findall(bare))):
        if (value := _wrapped(load(candidate))) is not None:
            others = () if candidate == bare else _in_fences(bare)
            return _different((ExtractedValue(value, notes), *(ExtractedValue(other, notes) for other in others)))
    strict = tuple(ExtractedValue(v, notes) for span in spans(bare) if (v := _wrapped(load(span))) is not None)
    return _different(strict) or _different(tuple(_lenient(bare, notes)))


def without_reasoning(text: str) -> tuple[str, tuple[str, ...]]:
    """The text outside of reasoning tags. Reasoning whose begin is missing starts with the text; reasoning that never
    ends is taken whole: a draft in it is no answer. What stands in tags alone, all of them closed, is the answer."""
    outside, depth, at = "", 0, 0
    for tag in _TAG.finditer(text):
        if tag.group(1):
            outside, depth = outside if depth else "", max(0, depth - 1)
        else:
            outside, depth = outside if depth else outside + text[at : tag.start()], depth + 1
        at = tag.end()
    closed = depth == 0
    bare = (outside + text[at:] if closed else outside).strip()
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


def _lenient(text: str, notes: tuple[str, ...]) -> Iterator[ExtractedValue]:
    """Objects that are JSON but for commas too many, comments, Python's words or single quotes."""
    for span in (text, *spans(text)):
        changed: set[str] = set()
        strict = _TOKEN.sub(partial(_as_json, changed), span)
        if changed and (value := _wrapped(load(strict))) is not None:
            yield ExtractedValue(value, (*notes, f"read as JSON in spite of {', '.join(sorted(changed))}"))
            if span is text:
                return


def _as_json(changed: set[str], token: re.Match[str]) -> str:
    kind, text = token.lastgroup, token.group()
    if kind == "string":
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


def _in_fences(text: str) -> list[dict[str, Any]]:
    found = (_wrapped(load(body.strip())) for body in _FENCE.findall(text))
    return [value for value in found if value is not None]


def _different(found: tuple[ExtractedValue, ...]) -> tuple[ExtractedValue, ...]:
    kept: list[ExtractedValue] = []
    for one in found:
        if all(one.value != other.value for other in kept):
            kept.append(one)
    return tuple(kept)


def _too_deep(text: str) -> bool:
    """Whether brackets nest deeper than any answer; those in strings are counted too, which is on the safe side."""
    depth = 0
    for mark in _BRACKETS.finditer(text):
        depth += 1 if mark.group() in "{[" else -1
        if depth > _DEPTH:
            return True
    return False


_BRACKETS = re.compile(r"[{}\[\]]")
