"""What HTTP and WebSocket doors share of the web."""
