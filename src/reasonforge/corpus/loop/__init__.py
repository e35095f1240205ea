"""The loop that mines a corpus: train, score, select, judge domains, annotate, expand, and again until nothing new comes in."""
