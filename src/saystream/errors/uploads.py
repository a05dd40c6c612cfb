"""Uploaded audio that cannot be the reference of a voice."""

from saystream.errors.requests import InvalidRequest


class AudioRefused(InvalidRequest, code="audio_refused"):
    """Uploaded audio that cannot be the reference of a voice; its codes are those of the HTTP reference, §5."""


class AudioFormatUnsupported(
    AudioRefused, code="audio_format_unsupported", http_code="BadRequest.UnsupportedFileFormat"
):
    """No container or codec that is let in, or no audio in it."""


class AudioUndecodable(AudioRefused, code="audio_undecodable", http_code="Audio.DecoderError"):
    """A broken file, or one that takes more memory or time than any that is well meant."""


class AudioTooLarge(AudioRefused, code="audio_too_large", http_code="Audio.FileSizeExceed"):
    """The file has more bytes than the limit; it was not looked at."""


class AudioTooShort(AudioRefused, code="audio_too_short", http_code="Audio.AudioShortError"):
    """The message gives the duration and the least."""


class AudioTooLong(AudioRefused, code="audio_too_long", http_code="Audio.DurationLimitError"):
    """The message gives the limit; how long the file is was not found out."""


class AudioRateUnsupported(AudioRefused, code="audio_rate_unsupported", http_code="Audio.AudioRateError"):
    """A sample rate below what the voice needs, or beyond any that is recorded."""


class AudioSilent(AudioRefused, code="audio_silent", http_code="Audio.AudioSilentError"):
    """Nothing in the file is loud enough to be speech."""
