"""A run on disk and on screen: its directory, metrics, events, rollouts, console, trackers, and the polite way to stop it. No torch."""
