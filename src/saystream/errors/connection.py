"""What ends a connection: the abuse of a peer."""

from saystream.errors.base import SaystreamError


class ProtocolAbuse(SaystreamError):
    """The connection cannot go on; an error event is sent, then the close code of the class."""

    kind = "invalid_request_error"
    code = "protocol_error"
    http_status = 400
    http_code = "InvalidParameter"
    close_code = 1008


class BinaryFrame(ProtocolAbuse):
    """A binary frame on a door whose frames are text."""

    code = "binary_frame"
    close_code = 1003


class FrameTooLarge(ProtocolAbuse):
    """A frame over the size limit."""

    code = "frame_too_large"
    close_code = 1009


class TooManyErrors(ProtocolAbuse):
    """One connection sent more bad events than the limit."""

    code = "too_many_errors"


class PeerStalled(ProtocolAbuse):
    """The peer stopped reading for longer than the limit."""

    code = "peer_stalled"
