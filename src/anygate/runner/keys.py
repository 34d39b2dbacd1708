"""The credentials that Envoy needs for the backends of a run: files written, tokens fetched and renewed."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anygate.diagnostics import Diagnostic, Report, SourceFile
from anygate.envoy.snapshot import Snapshot
from anygate.envoy.upstream.files import list_credential_files
from anygate.model import Model
from anygate.private_files import replace_file

if TYPE_CHECKING:
    from anygate.credentials.delivery import Delivery
    from anygate.credentials.rotation import Event, Rotation

_PATIENCE = 5.0


class Keys:
    """Follows the model that is served. `on_tokens` is called whenever Envoy has to be told of a new token."""

    def __init__(
        self,
        folder: Path,
        on_tokens: Callable[[], None],
        on_findings: Callable[[Sequence[Diagnostic]], None],
        on_word: Callable[[str], None],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._folder = folder
        self._on_tokens = on_tokens
        self._on_findings = on_findings
        self._on_word = on_word
        self._environment = environment
        self._sources: tuple[SourceFile, ...] = ()
        self._delivery: Delivery | None = None
        self._rotation: Rotation | None = None

    async def follow(self, model: Model, sources: Sequence[SourceFile]) -> None:
        """Have everything ready that a model needs; a credential that takes long is waited for no longer than 5 s."""
        self._sources = tuple(sources)
        self._write_files(model)
        if self._rotation is None:
            if not any(backend.provider and backend.provider.credential for backend in model.backends):
                return
            self._rotation = self._open()
        # Imported late: clients of token services are not for a run without any.
        from anygate.credentials.wanted import find_wanted

        self._rotation.update(find_wanted(model))
        await self._rotation.attempted(_PATIENCE)

    def add_to(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the tokens that there are now."""
        return snapshot if self._delivery is None else self._delivery.add_to(snapshot)

    async def stop(self) -> None:
        """Renew nothing any more."""
        if self._rotation is not None:
            await self._rotation.stop()

    def _write_files(self, model: Model) -> None:
        for file in list_credential_files(model):
            path = self._folder / file.name
            if not (file.stands_in and path.exists()):
                replace_file(path, file.content.reveal())

    def _open(self) -> "Rotation":
        from anygate.credentials.delivery import Delivery
        from anygate.credentials.endpoints import Endpoints
        from anygate.credentials.fetch import fetch
        from anygate.credentials.rotation import Rotation
        from anygate.credentials.sources import Outside

        self._delivery = Delivery(self._folder, self._on_tokens)
        outside = Outside(Endpoints.from_environment(self._environment))
        return Rotation(partial(fetch, outside=outside), self._delivery, self._on_event)

    def _on_event(self, event: "Event") -> None:
        from anygate.credentials.findings import describe_recovery, report_failure
        from anygate.credentials.rotation import Failed

        if not isinstance(event, Failed):
            self._on_word(describe_recovery(event))
            return
        report = Report()
        report_failure(event, self._sources, report)
        self._on_findings(report.diagnostics)
