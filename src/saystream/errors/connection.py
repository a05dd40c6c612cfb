"""Misuse by the peer, which ends the connection."""

from saystream.errors.base import SaystreamError


class ProtocolAbuse(
    SaystreamError,
    kind="invalid_request_error",
    code="protocol_error",
    http_status=400,
    http_code="InvalidParameter",
    close_code=1008,
):
    """The connection cannot continue: an error event is sent, then the connection is closed with the class's code."""


class BinaryFrame(ProtocolAbuse, code="binary_frame", close_code=1003):
    """A binary frame on a door whose frames are text."""


class FrameTooLarge(ProtocolAbuse, code="frame_too_large", close_code=1009):
    """A frame over the size limit."""


class FrameTimedOut(ProtocolAbuse, code="frame_timed_out"):
    """A frame, or a message in several frames, did not arrive whole in time."""


class TooManyControlFrames(ProtocolAbuse, code="too_many_control_frames"):
    """The peer sent more pings or pongs in a second than the limit."""


class TooManyErrors(ProtocolAbuse, code="too_many_errors"):
    """The connection sent more bad events than the limit."""
