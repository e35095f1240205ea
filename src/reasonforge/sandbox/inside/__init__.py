"""What runs inside a sandbox: standard library and ctypes only, loaded by a bare interpreter that does not see reasonforge."""
