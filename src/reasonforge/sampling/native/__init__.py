"""The decoder's ragged step in C, compiled at first use with the system compiler and called through ctypes."""
