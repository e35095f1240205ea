"""The same work on many machines: implementations of protocols that lower floors define."""
