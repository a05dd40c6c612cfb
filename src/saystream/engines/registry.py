"""Finds engines by the entry points of installed packages; there is no table of names.

The built-in engines register as any other engine does, in the group ``saystream.engines``::

    [project.entry-points."saystream.engines"]
    mine = "my_package.engine:MyEngine"
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import Distribution, EntryPoint, entry_points

from saystream.engines.base import Engine
from saystream.errors import ConfigurationError, EngineUnavailable, quote
from saystream.models import load_manifest

__all__ = ["GROUP", "engine_names", "load_engine_class"]

GROUP = "saystream.engines"

_REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9._-]+")
_REQUIREMENT_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def engine_names() -> tuple[str, ...]:
    """Names of the engines in installed packages, sorted. Imports none of them."""
    return tuple(sorted(entry_points(group=GROUP).names))


def load_engine_class(name: str) -> type[Engine]:
    """Import the engine of that name.

    Raises EngineUnavailable, with what to install, if no package has it or it cannot be imported; ConfigurationError if
    two packages have it or if what they register is not an engine.
    """
    entry = _entry(name)
    try:
        loaded = entry.load()
    except ModuleNotFoundError as error:
        raise _missing_module(entry, error.name or str(error)) from error
    except Exception as error:  # other people's modules may raise anything on import
        broken = f"Engine '{name}' of package {_package(entry)} cannot be imported"
        raise EngineUnavailable(f"{broken}: {type(error).__name__}: {error}") from error
    if not (inspect.isclass(loaded) and issubclass(loaded, Engine)) or inspect.isabstract(loaded):
        offered = f"Package {_package(entry)} offers '{entry.value}' as engine '{name}'"
        raise ConfigurationError(
            f"{offered}, which is not a complete subclass of saystream.engines.base.Engine."
        )
    return loaded


def _entry(name: str) -> EntryPoint:
    offers = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    if not offers:
        installed = ", ".join(engine_names()) or "none"
        raise EngineUnavailable(f"Engine '{quote(name)}' is not installed. Installed engines: {installed}.")
    if len(offers) > 1:
        packages = ", ".join(sorted(_package(entry) for entry in offers.values()))
        message = f"Several packages offer an engine '{name}': {packages}. Uninstall all but one."
        raise ConfigurationError(message)
    return next(iter(offers.values()))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "(unknown)"


def _missing_module(entry: EntryPoint, module: str) -> EngineUnavailable:
    package = _package(entry)
    problem = (
        f"Engine '{entry.name}' of package {package} needs the module '{module}', which is not installed."
    )
    if entry.dist is not None and (extra := _extra_for(module, entry.dist)):
        remedy = f"pip install '{package}[{extra}]'"
        spoken = load_manifest().qualities_of(entry.name)
        return EngineUnavailable(f"{problem} Install it with: {remedy}", remedy=remedy, languages=spoken)
    return EngineUnavailable(f"{problem} Install the package that provides it, or reinstall {package}.")


def _extra_for(module: str, package: Distribution) -> str | None:
    """The extra of ``package`` that installs ``module``.

    Found by similar names: the modules of a package that is not installed are not known.
    """
    wanted = _normal(module.partition(".")[0])
    for requirement in package.requires or ():
        name, extra = _REQUIREMENT_NAME.match(requirement), _REQUIREMENT_EXTRA.search(requirement)
        if name and extra and f"{_normal(name[0])}-".startswith(f"{wanted}-"):
            return extra[1]
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
