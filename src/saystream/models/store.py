"""The store of weights: a folder with a folder for each model, which is complete and checked or not there at all.

A model is fetched into ``.staging/<model>`` and moved into place in one step. A lock ensures that only one process at a
time pulls, removes or checks a model; the system releases it if the process is killed. Files never change once they are
in place, so reading them needs no lock.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saystream.errors import ModelDamaged, ModelMissing, ModelsFault
from saystream.models.manifest import Manifest, Model, load_manifest
from saystream.models.progress import PullWatcher
from saystream.models.record import RECORD_NAME, Record, read_record, write_record
from saystream.models.staging import Staging, is_full, measure, out_of_room
from saystream.paths import default_models_dir

__all__ = ["ModelStore"]

_STAGING, _LOCKS = ".staging", ".locks"


class ModelStore:
    """The models in one folder. Creating it touches no files."""

    def __init__(self, folder: Path | None = None, *, manifest: Manifest | None = None) -> None:
        """``folder`` is by default that of ``saystream.paths.default_models_dir``."""
        self.folder = (folder or default_models_dir()).expanduser().absolute()
        self.manifest = manifest or load_manifest()

    def path(self, name: str) -> Path:
        """The folder of a complete model.

        Raises ModelMissing, which says how to get it, and ModelUnknown.
        """
        model = self.manifest.model(name)
        fault = self._fault(model)
        if fault is not None:
            raise ModelMissing(fault, model=name, languages=model.qualities)
        return self.folder / name

    def pulled(self) -> tuple[str, ...]:
        """Names of the models that are here, complete or not."""
        records = self.folder.glob(f"*/{RECORD_NAME}")
        return tuple(sorted(file.parent.name for file in records if not file.parent.name.startswith(".")))

    def record(self, name: str) -> Record | None:
        """What was fetched; ``None`` if nothing was."""
        return read_record(self.folder / self.manifest.model(name).name)

    def pull(
        self,
        name: str,
        *,
        mirror: str | None = None,
        only_mirror: bool = False,
        digest: str | None = None,
        watcher: PullWatcher | None = None,
    ) -> Path:
        """Fetch a model, unless it is here and complete; returns its folder.

        ``mirror`` is a folder or an address that holds models as this store does, and is asked first. The hub is asked
        what files must be of which the manifest has no checksum; or the record at the mirror, if ``digest`` is its
        SHA-256. Resumes an interrupted pull; waits for a pull of the same model by another process. Raises
        ModelUnknown, ModelUnreachable, StorageFull, and ModelsFault if the folder cannot be written.
        """
        model = self.manifest.model(name)
        watcher = watcher or PullWatcher()
        with self._writing(), self._lock(name, watcher):
            if self._fault(model) is None:
                return self.folder / name
            staging = Staging(self.folder / _STAGING / name, watcher)
            try:
                self._fetch(model, staging, mirror, only_mirror, digest)
            except OSError as error:
                if is_full(error):
                    # A full disk harms more than this pull, and keeping the files would keep it full.
                    staging.remove()
                raise
            finally:
                staging.remove_if_empty()
            staging.remove()
        return self.folder / name

    def verify(self, name: str) -> Record:
        """Read every file again and compare it with what was fetched.

        Raises ModelMissing, and ModelDamaged after removing the wrong files, so that nothing loads them.
        """
        self.manifest.model(name)
        with self._writing(), self._lock(name, PullWatcher()):
            folder = self.path(name)
            record = self.record(name)
            assert record is not None, "path() has just read it"
            bad = [
                path for path, file in record.files.items() if measure(folder / path).sha256 != file.sha256
            ]
            for path in bad:
                (folder / path).unlink()
        if bad:
            raise ModelDamaged(
                f"The model '{name}' is damaged; removed: {', '.join(bad)}."
                f" Download it again with: saystream models pull {name}"
            )
        return record

    def digest(self, name: str) -> str:
        """SHA-256 of the record of a model that is here: it stands for every file of the model."""
        return measure(self.path(name) / RECORD_NAME).sha256

    def remove(self, name: str) -> None:
        """Remove a model and the remains of an interrupted pull, even of a model that is no longer in the manifest.

        Raises ModelMissing if there is nothing, and ModelUnknown.
        """
        staged = self.folder / _STAGING / name
        if name not in self.pulled():
            model = self.manifest.model(name)
            if not (self.folder / name).exists() and not staged.exists():
                raise ModelMissing(self._absence(model), model=name, languages=model.qualities)
        with self._writing(), self._lock(name, PullWatcher()):
            staged.mkdir(parents=True, exist_ok=True)
            if (self.folder / name).exists():
                os.rename(self.folder / name, staged / "removed")
            shutil.rmtree(staged)

    def _fetch(
        self, model: Model, staging: Staging, mirror: str | None, only_mirror: bool, digest: str | None
    ) -> None:
        # Here, because engines read the store as they start, and should not load HTTP clients for that.
        from saystream.models.download import open_client
        from saystream.models.hub import Hub
        from saystream.models.pull import Pull

        place = self.folder / model.name
        with open_client() as client:
            record = Pull(
                model,
                staging,
                Hub(client),
                before=read_record(place),
                present=place,
                mirror=mirror,
                only_mirror=only_mirror,
                digest=digest,
            ).run()
        staging.prune()
        write_record(staging.files, record)
        if place.exists():
            os.rename(place, staging.files.parent / "replaced")
        os.rename(staging.files, place)

    def _fault(self, model: Model) -> str | None:
        """Why a model cannot be used; ``None`` if it can."""
        record = self.record(model.name)
        if record is None:
            return self._absence(model)
        for path, entry in model.files():
            if path not in record.files or entry.sha256 not in (None, record.files[path].sha256):
                return f"The model '{model.name}' in {self.folder} is of another version of saystream."
        for path, file in record.files.items():
            try:
                size = (self.folder / model.name / path).stat().st_size
            except OSError:
                size = -1
            if size != file.size:
                return (
                    f"The model '{model.name}' in {self.folder} is damaged: its file {path} is not complete."
                )
        return None

    def _absence(self, model: Model) -> str:
        return f"The model '{model.name}' is not in {self.folder}."

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            (self.folder / _LOCKS).mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            if is_full(error):
                raise out_of_room(self.folder) from error
            reason = error.strerror or type(error).__name__
            raise ModelsFault(f"The store of weights in {self.folder} cannot be used: {reason}.") from error

    @contextmanager
    def _lock(self, name: str, watcher: PullWatcher) -> Iterator[None]:
        """Lock the model against other processes; the system releases the lock however this process ends."""
        with (self.folder / _LOCKS / name).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                watcher.says(f"Another process is at work on '{name}'; waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
