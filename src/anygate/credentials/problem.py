"""Why a credential could not be had."""


class FetchProblem(Exception):  # noqa: N818 - it is not our error
    """A credential could not be fetched. The text is for people and holds no secret."""
