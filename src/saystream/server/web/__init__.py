"""What HTTP and WebSocket doors need of the web, whatever they serve."""
