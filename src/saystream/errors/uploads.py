"""Uploaded audio that cannot be the reference of a voice."""

from saystream.errors.requests import InvalidRequest


class AudioRefused(InvalidRequest):
    """Uploaded audio that cannot be the reference of a voice; its codes are those of the HTTP reference, §5."""

    code = "audio_refused"


class AudioFormatUnsupported(AudioRefused):
    """No container or codec that is let in, or no audio in it."""

    code = "audio_format_unsupported"
    http_code = "BadRequest.UnsupportedFileFormat"


class AudioUndecodable(AudioRefused):
    """A broken file, or one that takes more memory or time than any that is well meant."""

    code = "audio_undecodable"
    http_code = "Audio.DecoderError"


class AudioTooLarge(AudioRefused):
    """The file has more bytes than the limit; it was not looked at."""

    code = "audio_too_large"
    http_code = "Audio.FileSizeExceed"


class AudioTooShort(AudioRefused):
    """The message gives the duration and the least."""

    code = "audio_too_short"
    http_code = "Audio.AudioShortError"


class AudioTooLong(AudioRefused):
    """The message gives the limit; how long the file is was not found out."""

    code = "audio_too_long"
    http_code = "Audio.DurationLimitError"


class AudioRateUnsupported(AudioRefused):
    """A sample rate below what the voice needs, or beyond any that is recorded."""

    code = "audio_rate_unsupported"
    http_code = "Audio.AudioRateError"


class AudioSilent(AudioRefused):
    """Nothing in the file is loud enough to be speech."""

    code = "audio_silent"
    http_code = "Audio.AudioSilentError"
