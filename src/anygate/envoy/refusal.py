"""What the builder says when Envoy cannot be given what the model asks for."""

from anygate.model.origin import Origin


class CannotBuild(Exception):  # noqa: N818
    """Envoy cannot express a part of a rule, and leaving that part out would be unsafe.

    Whoever builds the rule's route catches this and answers 500 there, so that a request is refused rather
    than let through half protected. `text` is one sentence for people and never shows a secret.
    """

    def __init__(self, origin: Origin, text: str) -> None:
        super().__init__(f"{origin.object}: {text}")
        self.origin = origin
        self.text = text
