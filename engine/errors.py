"""The mistakes a user can make, as exceptions. Ours are asserts.

    AttaccaError                 code, one clear sentence, the way out
    |-- BadRequest               a value outside its range            (code "bad-request")
    |   |-- BadAudio             unreadable, empty, silent, non-finite (code "bad-audio")
    |   `-- BadMidi              no such file, no notes                (code "bad-midi")
    |-- BadBundle                not a bundle, or one that fails its self-check (code "bad-bundle")
    |-- Refused                  the queue is full, or this is not allowed here  (code "refused")
    |-- Expired                  the deadline passed before the work was done    (code "expired")
    |-- Cancelled                the sender (or a panic) took it back            (code "cancelled")
    |-- NoEngine                 nobody answers at the endpoint                  (code "no-engine")
    `-- Unavailable              a port, device, disk or library is missing      (code "unavailable")

Every command turns one of these into one sentence on stderr and exit code 2, every
socket into a typed error reply. Anything else is a bug and is reported as code "failed".
"""

from __future__ import annotations


class AttaccaError(Exception):
    """A mistake with a code for programs and a sentence for people."""

    code = "failed"


class BadRequest(AttaccaError):
    code = "bad-request"


class BadAudio(BadRequest):
    code = "bad-audio"


class BadMidi(BadRequest):
    code = "bad-midi"


class BadBundle(AttaccaError):
    code = "bad-bundle"


class Refused(AttaccaError):
    code = "refused"


class Expired(AttaccaError):
    code = "expired"


class Cancelled(AttaccaError):
    code = "cancelled"


class NoEngine(AttaccaError):
    code = "no-engine"


class Unavailable(AttaccaError):
    code = "unavailable"
