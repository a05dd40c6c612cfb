"""The realtime protocol (``/api-ws/v1/realtime``): its events, its states and both ends of a connection."""
