"""The model hub as a source: its own package says where files are, what they are and how to request them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

import httpx
import msgspec
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, not re-exported

from saystream.models.download import download
from saystream.models.manifest import FileEntry, HubSource
from saystream.models.staging import SourceFailed, SourceUnreachable, Staging, check_path

__all__ = ["Hub", "HubFetcher"]

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class _Repository:
    commit: str
    files: dict[str, FileEntry]


class Hub:
    """What one pull knows about the hub: a hub that does not answer is asked only once."""

    def __init__(self, client: httpx.Client, endpoint: str | None = None) -> None:
        """``endpoint`` is by default that of the environment of ``huggingface_hub``."""
        self.client = client
        self.endpoint = endpoint
        self._known: dict[tuple[str, str], _Repository] = {}
        self._silence: SourceUnreachable | None = None

    def repository(self, name: str, revision: str) -> _Repository:
        """Raises SourceFailed."""
        if self._silence is not None:
            raise self._silence
        if (name, revision) not in self._known:
            self._known[name, revision] = self._ask(name, revision)
        return self._known[name, revision]

    def commit(self, name: str, revision: str) -> str | None:
        """The answer; ``None`` if there was none."""
        known = self._known.get((name, revision))
        return known.commit if known else None

    def _ask(self, name: str, revision: str) -> _Repository:
        try:
            info = HfApi(self.endpoint).model_info(
                name, revision=revision, timeout=_TIMEOUT_S, files_metadata=True
            )
        except Exception as error:  # its package does not say what it raises for answers that are none
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status is not None and status < 500:
                raise SourceFailed(f"HTTP {status} for {name} at {revision}") from error
            self._silence = SourceUnreachable(f"it does not answer ({type(error).__name__})")
            raise self._silence from error
        return _Repository(info.sha or revision, dict(map(_stated, info.siblings or ())))


def _stated(sibling: RepoSibling) -> tuple[str, FileEntry]:
    """Path and content of a file of a repository. Raises SourceFailed."""
    try:
        check_path(sibling.rfilename)
        stated = {
            "size": sibling.size,
            "sha256": sibling.lfs.sha256 if sibling.lfs else None,
            "git_blob": None if sibling.lfs else sibling.blob_id,
        }
        return sibling.rfilename, msgspec.convert(stated, FileEntry)
    except (msgspec.ValidationError, AttributeError, TypeError) as error:
        raise SourceFailed(f"it states something strange of a file ({type(error).__name__})") from error


class HubFetcher:
    """Fetches from one repository, at the commit that its revision names when the pull begins."""

    def __init__(self, source: HubSource, hub: Hub) -> None:
        self._source = source
        self._hub = hub

    def __str__(self) -> str:
        return str(self._source)

    def listing(self) -> dict[str, FileEntry]:
        """The files that the source includes, by their path there. Raises SourceFailed."""
        known = self._contents().files
        patterns = self._source.include
        return {
            path: entry
            for path, entry in known.items()
            if any(fnmatchcase(path, pattern) for pattern in patterns)
        }

    def stated(self, paths: Iterable[str]) -> dict[str, FileEntry]:
        """What it says of the files with these paths in our folder; those that it lacks are left out. Raises
        SourceFailed."""
        known = self._contents().files
        places = {path: self._source.path.format(path=path) for path in paths}
        return {path: known[there] for path, there in places.items() if there in known}

    @property
    def repository(self) -> str:
        return self._source.hub

    @property
    def commit_if_known(self) -> str | None:
        return self._hub.commit(self._source.hub, self._source.revision)

    def fetch(self, wanted: dict[str, FileEntry], staging: Staging) -> None:
        """Raises SourceFailed if a file is missing or wrong there; the others are fetched anyway."""
        self._contents()
        staging.each(partial(self._fetch_one, path, entry, staging) for path, entry in wanted.items())

    def _contents(self) -> _Repository:
        return self._hub.repository(self._source.hub, self._source.revision)

    def _fetch_one(self, path: str, entry: FileEntry, staging: Staging) -> None:
        repository = self._contents()
        there = self._source.path.format(path=path)
        try:
            offered = repository.files[there]
        except KeyError:
            raise SourceFailed(f"{self._source.hub} has no {there}") from None
        if None not in (entry.sha256, offered.sha256) and entry.sha256 != offered.sha256:
            raise SourceFailed(f"{there} is not the expected file")
        expected = entry if entry.is_known else offered
        download(
            self._hub.client,
            hf_hub_url(self._source.hub, there, revision=repository.commit, endpoint=self._hub.endpoint),
            staging,
            path=path,
            entry=expected,
            version=expected.sha256 or expected.git_blob or repository.commit,
            source=f"{self} at {repository.commit}",
            headers=build_hf_headers(),
        )
