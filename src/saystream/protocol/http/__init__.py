"""DashScope's HTTP interface: bodies and event streams, without any I/O."""
