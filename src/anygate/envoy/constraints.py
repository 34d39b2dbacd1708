"""What Envoy would refuse: the validation rules of its API, checked before it sees a message.

Envoy's API carries protoc-gen-validate rules as field options. The rules of a message type are compiled
into a plan the first time such a message is checked. A run over a message then touches the fields that are
set, and the few that must be. It looks into every `google.protobuf.Any` as well, because Envoy checks each
extension on its own.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import DecodeError, Message

from anygate.envoy.api import declaration, map_entries, message, type_name
from anygate.envoy.descriptors import pool
from anygate.envoy.value_rules import Predicate, Unsupported, predicates, worded


class Violation(NamedTuple):
    """A value that Envoy would refuse: where it is, as in `virtual_hosts[0].routes[1].match`, and why."""

    path: str
    text: str


_Found = list[Violation] | None
_Test = Callable[[Any], _Found]
"""Tests one value. The paths it gives are relative. None, or nothing in the list, means that all is well."""

_ANY = "google.protobuf.Any"
_FREE_FORM = {"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"}
_WRAPPERS = {
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
_REPEATED_RULES = {
    "min_items": (lambda limit: lambda items: len(items) >= limit, "must have at least {} item(s)"),
    "max_items": (lambda limit: lambda items: len(items) <= limit, "must have at most {} item(s)"),
    "unique": (lambda _: _all_differ, "must not have the same item twice"),
}
_MAP_RULES = {
    "min_pairs": (lambda limit: lambda pairs: len(pairs) >= limit, "must have at least {} pair(s)"),
    "max_pairs": (lambda limit: lambda pairs: len(pairs) <= limit, "must have at most {} pair(s)"),
}
_NESTED_RULES = {"items", "keys", "values", "ignore_empty"}


def check(built: Message) -> list[Violation]:
    """Return everything in a message that the rules of Envoy's API forbid."""
    name = built.DESCRIPTOR.full_name
    found = _run_any(built) if name == _ANY else _run(_plan(name), built)
    return [Violation(path.removeprefix("."), text) for path, text in found or ()]


def unsupported(name: str) -> list[str]:
    """Return the rules on a message type that this module does not know; it leaves those to Envoy."""
    plan = _plan(name)
    if not plan.compiled:
        _compile(plan)
    return plan.unsupported


class _Plan:
    """The compiled rules of one message type, filled at first use because the types refer to each other."""

    __slots__ = ("chosen", "compiled", "entries", "filled", "name", "present", "tests", "unsupported")

    def __init__(self, name: str) -> None:
        self.name = name
        self.compiled = False
        self.entries: set[str] = set()
        self.tests: dict[int, _Test] = {}
        self.filled: list[tuple[str, list[Violation]]] = []
        self.present: list[tuple[str, list[Violation]]] = []
        self.chosen: list[tuple[str, list[Violation]]] = []
        self.unsupported: list[str] = []


@cache
def _plan(name: str) -> _Plan:
    return _Plan(name)


def _run(plan: _Plan, checked: Any) -> _Found:
    if not plan.compiled:
        _compile(plan)
    found: _Found = None
    for name, wrong in plan.filled:
        if not getattr(checked, name):
            found = [*(found or ()), *wrong]
    for name, wrong in plan.present:
        if not checked.HasField(name):
            found = [*(found or ()), *wrong]
    for name, wrong in plan.chosen:
        if checked.WhichOneof(name) is None:
            found = [*(found or ()), *wrong]
    tests = plan.tests
    if not tests:
        return found
    for field, value in checked.ListFields():
        test = tests.get(field.number)
        if test is not None:
            inner = test(value)
            if inner:
                found = [*(found or ()), *_under(f".{field.name}", inner)]
    return found


def _run_any(packed: Any) -> _Found:
    opened = _opener(packed.type_url)
    if opened is None:
        return [Violation("", f"holds the unknown type {packed.type_url!r}")] if packed.type_url else None
    parse, plan = opened
    try:
        inner = parse(packed.value)
    except DecodeError:
        return [Violation("", f"cannot be read as {plan.name}")]
    return _run_any(inner) if plan.name == _ANY else _run(plan, inner)


@cache
def _opener(type_url: str) -> tuple[Callable[[bytes], Any], _Plan] | None:
    name = type_name(type_url)
    try:
        return message(name).FromString, _plan(name)
    except LookupError:
        return None


def _under(prefix: str, found: Iterable[Violation]) -> list[Violation]:
    return [Violation(prefix + path, text) for path, text in found]


def _compile(plan: _Plan) -> None:
    plan.compiled = True
    declared = declaration(plan.name)
    if _is_exempt(declared):
        return
    descriptor = message(plan.name).DESCRIPTOR
    plan.entries = map_entries(plan.name)
    for field, declared_field in zip(descriptor.fields, declared.field, strict=True):
        _compile_field(plan, field, _rules_of(declared_field))
    for oneof, declared_oneof in zip(descriptor.oneofs, declared.oneof_decl, strict=True):
        if _must_choose(declared_oneof):
            plan.chosen.append((oneof.name, [_nothing_chosen(oneof)]))


def _compile_field(plan: _Plan, field: FieldDescriptor, rules: Any) -> None:
    test = _test_of(plan, field, rules)
    if test is None and rules is None:
        return
    if test is not None:
        plan.tests[field.number] = test
    if field.has_presence:
        # A rule on a member of a oneof counts only where that member was chosen.
        if field.containing_oneof is None and _is_required(rules):
            plan.present.append((field.name, [Violation(f".{field.name}", "must be set")]))
    elif test is not None:
        missing = test(() if field.is_repeated else field.default_value)
        if missing:
            plan.filled.append((field.name, _under(f".{field.name}", missing)))


def _test_of(plan: _Plan, field: FieldDescriptor, rules: Any) -> _Test | None:
    """Return the test of a field's value, or None where nothing about it can be wrong."""
    inner = field.message_type
    if inner is not None and inner.full_name in plan.entries:
        return _test_of_map(plan, field, inner, rules.map if rules is not None else None)
    if field.is_repeated:
        return _test_of_list(plan, field, rules.repeated if rules is not None else None)
    return _test_of_one(plan, field, rules)


def _test_of_one(plan: _Plan, field: FieldDescriptor, rules: Any) -> _Test | None:
    tests = []
    kind = rules.WhichOneof("type") if rules is not None else None
    if kind is not None:
        tested = _predicates(plan, field, getattr(rules, kind))
        if tested:
            is_wrapper = field.message_type is not None and field.message_type.full_name in _WRAPPERS
            tests.append(_scalar_test(tested, is_wrapper))
    if field.message_type is not None and not (rules is not None and rules.message.skip):
        tests.extend(_message_test(field.message_type))
    return _joined(tests)


def _test_of_list(plan: _Plan, field: FieldDescriptor, rules: Any) -> _Test | None:
    tests = []
    if rules is not None:
        tested = _counted(plan, field, rules, _REPEATED_RULES)
        if tested:
            tests.append(_scalar_test(tested, False))
    each = _test_of_one(plan, field, rules.items if rules is not None else None)
    if each is not None:
        tests.append(partial(_run_items, each))
    return _joined(tests)


def _test_of_map(plan: _Plan, field: FieldDescriptor, entry: Descriptor, rules: Any) -> _Test | None:
    tests = []
    key, value = entry.fields
    if rules is not None:
        tested = _counted(plan, field, rules, _MAP_RULES)
        if tested:
            tests.append(_scalar_test(tested, False))
        on_key = _test_of_one(plan, key, rules.keys)
        if on_key is not None:
            tests.append(partial(_run_keys, on_key))
    on_value = _test_of_one(plan, value, rules.values if rules is not None else None)
    if on_value is not None:
        tests.append(partial(_run_values, on_value))
    return _joined(tests)


def _counted(plan: _Plan, field: FieldDescriptor, rules: Any, known: Any) -> list[Predicate]:
    tested = []
    for rule, limit in rules.ListFields():
        if rule.name in known:
            make, text = known[rule.name]
            if limit:
                tested.append(Predicate(make(limit), worded(text, limit)))
        elif rule.name not in _NESTED_RULES:
            plan.unsupported.append(f"{field.full_name}: {rule.full_name}")
    if rules.ignore_empty:
        tested = [Predicate(partial(_empty_or, each.holds), each.text) for each in tested]
    return tested


def _predicates(plan: _Plan, field: FieldDescriptor, rules: Any) -> list[Predicate]:
    try:
        return predicates(rules, field.enum_type)
    except Unsupported as problem:
        plan.unsupported.append(f"{field.full_name}: {problem}")
        return []


def _message_test(descriptor: Descriptor) -> list[_Test]:
    if descriptor.full_name == _ANY:
        return [_run_any]
    if _is_free(descriptor.full_name):
        return []
    return [partial(_run, _plan(descriptor.full_name))]


def _scalar_test(tested: list[Predicate], is_wrapper: bool) -> _Test:
    if len(tested) == 1:
        holds, text = tested[0]
        wrong = [Violation("", text)]
        if is_wrapper:
            return lambda value: None if holds(value.value) else wrong
        return lambda value: None if holds(value) else wrong

    def test(value: Any) -> _Found:
        if is_wrapper:
            value = value.value
        return [Violation("", text) for holds, text in tested if not holds(value)]

    return test


def _joined(tests: list[_Test]) -> _Test | None:
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda value: [wrong for test in tests for wrong in test(value) or ()]


def _run_items(each: _Test, items: Any) -> _Found:
    found: _Found = None
    for position, item in enumerate(items):
        wrong = each(item)
        if wrong:
            found = [*(found or ()), *_under(f"[{position}]", wrong)]
    return found


def _run_keys(each: _Test, pairs: Any) -> _Found:
    return [wrong for key in pairs for wrong in _under(f'["{key}"]', each(key) or ())]


def _run_values(each: _Test, pairs: Any) -> _Found:
    return [wrong for key in pairs for wrong in _under(f'["{key}"]', each(pairs[key]) or ())]


@cache
def _is_free(name: str) -> bool:
    """Tell whether no message of this type can break a rule: there is none in it, and no Any."""
    return name in _FREE_FORM or name in _WRAPPERS or _has_no_rules(message(name).DESCRIPTOR, frozenset())


def _has_no_rules(descriptor: Descriptor, above: frozenset[str]) -> bool:
    name = descriptor.full_name
    # A type that holds itself is taken to have rules: checking it in vain is harmless, skipping it is not.
    if name == _ANY or name in above:
        return False
    declared = declaration(name)
    if name in _FREE_FORM or _is_exempt(declared):
        return True
    if any(map(_must_choose, declared.oneof_decl)):
        return False
    if any(_rules_of(field) is not None for field in declared.field):
        return False
    within = [field.message_type for field in descriptor.fields if field.message_type is not None]
    return all(_has_no_rules(inner, above | {name}) for inner in within)


def _is_exempt(declared: Any) -> bool:
    options = declared.options
    return bool(options.Extensions[_extension("disabled")] or options.Extensions[_extension("ignored")])


def _must_choose(declared: Any) -> bool:
    return bool(declared.options.Extensions[_extension("required")])


def _rules_of(declared: Any) -> Any:
    options, extension = declared.options, _extension("rules")
    return options.Extensions[extension] if options.HasExtension(extension) else None


@cache
def _extension(name: str) -> Any:
    return pool().FindExtensionByName(f"validate.{name}")


def _is_required(rules: Any) -> bool:
    if rules is None:
        return False
    kind = rules.WhichOneof("type")
    own = kind in {"any", "duration", "timestamp"} and getattr(rules, kind).required
    return bool(own or rules.message.required)


def _nothing_chosen(oneof: OneofDescriptor) -> Violation:
    names = ", ".join(field.name for field in oneof.fields)
    return Violation(f".{oneof.name}", f"one of {names} must be set")


def _empty_or(holds: Callable[[Any], bool], value: Any) -> bool:
    return not value or holds(value)


def _all_differ(items: Any) -> bool:
    seen = {item.SerializeToString(deterministic=True) if isinstance(item, Message) else item for item in items}
    return len(seen) == len(items)
