"""What a strategy's template may contain, and what bounds the work of rendering it (docs/decisions/0017).

Jinja2's sandbox keeps a template away from our objects, not from our time and memory: nested loops, `"x" * 10 ** 9` or
`"%999999999d" % 1` freeze the process. So only nodes of a list are taken; loops pay for what they repeat; a value that
is kept is small; and nothing is called.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes, pass_context
from jinja2.filters import do_round
from jinja2.runtime import Context, Undefined

BUDGET = "__work"  # a name that no template can spell: names beginning with an underscore are refused
WORK = 50_000  # nodes evaluated in loops, and a twentieth of the characters in them
MAX_ITEMS = 200
MAX_NODES = 3_000
MAX_TEXT = 4_000  # characters that a filter takes or makes, and that `set` keeps: as long as an exit plan may be
FILTER_WORK = 10

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.Name, nodes.Const,
    nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Keyword, nodes.Test,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add,
    nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Concat,
)  # fmt: skip
FILTERS = frozenset({
    "abs", "capitalize", "default", "first", "float", "int", "join", "last", "length", "list", "lower", "map", "max",
    "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort", "string", "sum", "title", "trim",
    "unique", "upper",
})  # fmt: skip
_OF_TEXT = frozenset({"capitalize", "default", "float", "int", "length", "lower", "string", "title", "trim", "upper"})
_TESTS = frozenset({
    "defined", "undefined", "none", "number", "string", "true", "false", "even", "odd", "in",
    "==", "!=", "<", "<=", ">", ">=", "eq", "ne", "lt", "le", "gt", "ge", "equalto",
})  # fmt: skip
_NAMES: dict[type[nodes.Node], str] = {
    nodes.Call: "a call",
    nodes.Pow: "`**`",
    nodes.Macro: "a macro",
    nodes.CallBlock: "a call block",
    nodes.Dict: "a mapping",
    nodes.Include: "an include",
    nodes.Import: "an import",
    nodes.FromImport: "an import",
    nodes.Extends: "extends",
    nodes.Block: "a block",
    nodes.FilterBlock: "a filter block",
    nodes.AssignBlock: "a set block",
}


class Work:
    """What rendering may still cost."""

    def __init__(self) -> None:
        self.left = WORK

    def spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise ValueError("its loops take too much work: nest fewer of them")


def check(tree: nodes.Template) -> None:
    """Raise TemplateSyntaxError for what is not on the lists."""
    for count, node in enumerate(_all(tree)):
        if count >= MAX_NODES:
            raise TemplateSyntaxError("it has too many parts: make it simpler", node.lineno)
        if complaint := _complaint(node):
            raise TemplateSyntaxError(f"{complaint} is not allowed in a strategy's template", node.lineno)


def bound(tree: nodes.Template) -> None:
    """Let each loop pay for its body and each kept value be small. Changes the tree."""
    for node in tuple(_all(tree)):
        if isinstance(node, nodes.For):
            repeated = [*node.body, *([node.test] if node.test else [])]
            weight = nodes.Const(1 + sum(map(_weight, repeated)), lineno=node.lineno)
            node.iter = _filter("__repeat", node.iter, [weight])
        elif isinstance(node, nodes.Assign):
            node.node = _filter("__small", node.node, [])
    tree.set_environment(_environment_of(tree))


def install(environment: Environment) -> None:
    kept: dict[str, Callable[..., Any]] = {
        name: _few(made, MAX_TEXT if name in _OF_TEXT else MAX_ITEMS)
        for name, made in environment.filters.items()
        if name in FILTERS
    }
    environment.filters = {**kept, "join": _join, "round": _round, "__repeat": _repeat, "__small": small}
    environment.tests = {name: test for name, test in environment.tests.items() if name in _TESTS}
    environment.globals.clear()


def small(value: Any) -> Any:
    """A value that may be kept: a number, a short text, or a short list of them."""
    if isinstance(value, list | tuple):
        if len(value) > MAX_ITEMS or any(isinstance(item, list | tuple) for item in value):
            raise ValueError(f"a list that is kept has at most {MAX_ITEMS} items and no lists in it")
        return [small(item) for item in value]
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"a text that is kept has at most {MAX_TEXT} characters")
    return value


@pass_context
def _repeat(context: Context, items: Any, weight: int) -> Iterator[Any]:
    work: Work = context[BUDGET]
    if isinstance(items, Undefined):
        iter(items)  # raises: a name that is not there is said, not an empty loop
    for item in items:
        work.spend(weight)
        yield item


def _few(made: Callable[..., Any], most_text: int) -> Callable[..., Any]:
    """The filter for what is not long: it may compare or call for each item or character."""

    def guarded(*args: Any, **kwargs: Any) -> Any:
        for value in args:
            if isinstance(value, list | tuple) and len(value) > MAX_ITEMS:
                raise ValueError(f"a filter takes at most {MAX_ITEMS} items")
            if isinstance(value, str) and len(value) > most_text:
                raise ValueError(f"a filter takes at most {most_text} characters here")
        return made(*args, **kwargs)

    for name in ("jinja_pass_arg", "jinja_async_variant"):
        if hasattr(made, name):
            setattr(guarded, name, getattr(made, name))
    return guarded


def _join(items: Iterable[Any], separator: str = "", attribute: None = None) -> str:
    if attribute is not None:
        raise ValueError("join takes no attribute: use map first")
    parts, size = [], 0
    for item in items:
        parts.append(str(item))
        size += len(parts[-1]) + len(separator)
        if size > MAX_TEXT:
            raise ValueError(f"join makes at most {MAX_TEXT} characters")
    return str(separator).join(parts)


def _round(value: Any, precision: int = 0, method: str = "common") -> Any:
    """Trap: of an integer, Python computes 10 ** -precision."""
    if not 0 <= precision <= 12:
        raise ValueError("round takes a precision of 0 to 12")
    return do_round(value, precision, method)  # type: ignore[arg-type]


def _complaint(node: nodes.Node) -> str | None:
    if not isinstance(node, _ALLOWED):
        return _NAMES.get(type(node), type(node).__name__)
    if isinstance(node, nodes.Name) and (node.name.startswith("_") or node.name in ("self", "super")):
        return f"the name {node.name}"
    if isinstance(node, nodes.Filter) and (node.node is None or node.name not in FILTERS):
        return f"the filter {node.name}"
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        return f"the test {node.name}"
    if isinstance(node, nodes.For) and node.recursive:
        return "a recursive loop"
    if isinstance(node, nodes.Assign) and not isinstance(node.target, nodes.Name):
        return "setting anything but one name"
    return None


def _all(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _all(child)


def _weight(tree: nodes.Node) -> int:
    found = tuple(_all(tree))
    texts = (node.value if isinstance(node, nodes.Const) else getattr(node, "data", "") for node in found)
    filters = sum(FILTER_WORK for node in found if isinstance(node, nodes.Filter))
    return len(found) + filters + sum(len(text) for text in texts if isinstance(text, str)) // 20


def _filter(name: str, value: nodes.Node, args: list[nodes.Expr]) -> nodes.Filter:
    return nodes.Filter(value, name, args, [], None, None, lineno=value.lineno)


def _environment_of(tree: nodes.Template) -> Environment:
    found: Environment = tree.environment  # type: ignore[assignment]
    return found
