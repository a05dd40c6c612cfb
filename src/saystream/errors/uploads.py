"""Uploaded audio that cannot be used as the reference of a voice."""

from saystream.errors.requests import InvalidRequest


class DownloadFailed(InvalidRequest, code="download_failed", http_code="BadRequest.InputDownloadFailed"):
    """What a client named by its address could not be fetched; the message says why."""


class AudioRefused(InvalidRequest, code="audio_refused"):
    """The uploaded audio cannot be used as the reference of a voice; codes as in the HTTP reference, §5."""


class AudioFormatUnsupported(
    AudioRefused, code="audio_format_unsupported", http_code="BadRequest.UnsupportedFileFormat"
):
    """The container or codec is not accepted, or there is no audio in it."""


class AudioUndecodable(AudioRefused, code="audio_undecodable", http_code="Audio.DecoderError"):
    """The file is broken, or takes more memory or time to decode than any legitimate file."""


class AudioTooLarge(AudioRefused, code="audio_too_large", http_code="Audio.FileSizeExceed"):
    """The file has more bytes than the limit; it was not read."""


class AudioTooShort(AudioRefused, code="audio_too_short", http_code="Audio.AudioShortError"):
    """The audio is too short; the message gives its duration and the minimum."""


class AudioTooLong(AudioRefused, code="audio_too_long", http_code="Audio.DurationLimitError"):
    """The audio is too long; the message gives the limit but not the duration, which was not measured."""


class AudioRateUnsupported(AudioRefused, code="audio_rate_unsupported", http_code="Audio.AudioRateError"):
    """The sample rate is lower than the voice needs, or higher than any recording has."""


class AudioSilent(AudioRefused, code="audio_silent", http_code="Audio.AudioSilentError"):
    """Nothing in the file is loud enough to be speech."""


class AudioUnfit(AudioRefused, code="audio_unfit", http_code="Audio.PreprocessError"):
    """There is a recording, but none of the kind a voice can be made from: no speech, too much noise, or clipped. The
    message says what to record instead."""
