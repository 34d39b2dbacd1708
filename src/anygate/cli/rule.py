"""`anygate rule`: what a diagnostic means."""


def rule(rule_id: str = "") -> int:
    """Explain a rule, with a wrong and a right example; without an id, list all rules.

    Parameters
    ----------
    rule_id
        The word in brackets in a diagnostic, such as unknown-field.
    """
    from difflib import get_close_matches

    import anygate.compiler
    import anygate.dialects.apisix.links  # declares the rules of stack files
    import anygate.envoy.untold  # declares what is said of an Envoy by itself
    import anygate.runner.session  # noqa: F401 - declares the rules of running
    from anygate.diagnostics import RULES
    from anygate.dialects import declare_rules
    from anygate.errors import UsageError

    declare_rules()
    if not rule_id:
        width = max(len(name) for name in RULES)
        for name in sorted(RULES):
            print(f"{name.ljust(width)}  {RULES[name].severity.ljust(7)}  {RULES[name].what.splitlines()[0]}")
        return 0
    found = RULES.get(rule_id)
    if found is None:
        close = get_close_matches(rule_id, RULES, 1)
        hint = f"; did you mean {close[0]}?" if close else "; `anygate rule` lists them all"
        raise UsageError(f"there is no rule {rule_id}{hint}")
    print(f"{found.id} ({found.severity})\n\n{found.what}\n\n{found.why}\n")
    print("Wrong:\n" + _indent(found.wrong) + "\n\nRight:\n" + _indent(found.right))
    return 0


def _indent(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
