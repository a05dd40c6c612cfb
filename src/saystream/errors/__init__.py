"""Every error that saystream raises, in one tree: ``docs/reference/errors.md`` lists it.

* :class:`InvalidRequest`: the caller's mistake; the session lives on (``requests.py``, ``tasks.py``,
  ``uploads.py``, ``customization.py``)
* :class:`ProtocolAbuse`: the peer's mistake; the connection ends (``connection.py``)
* :class:`ServerFault`: our fault (``faults.py``, ``models.py``)
* :class:`ClientError`: raised by our client and SDK (``client.py``)
* :class:`ConfigurationError` and :class:`ScoringUnavailable`: reported to the person who started the program

The class says whose fault it is and what each door shows of it; the message says what was wrong, where, and
what would be right. Messages never hold spoken text or keys: a value is quoted only if it is a name or a
number. To add an error, write a class in one of these modules and run ``scripts/docs``.
"""

from saystream.errors.base import *
from saystream.errors.client import *
from saystream.errors.connection import *
from saystream.errors.customization import *
from saystream.errors.faults import *
from saystream.errors.models import *
from saystream.errors.requests import *
from saystream.errors.scoring import *
from saystream.errors.tasks import *
from saystream.errors.uploads import *
