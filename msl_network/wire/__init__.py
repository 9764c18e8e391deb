"""The protocol without any I/O: bytes in, messages out."""
