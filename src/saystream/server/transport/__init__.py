"""What lies between a socket and the application: HTTP and WebSocket as uvicorn has them, bounded at every byte."""
