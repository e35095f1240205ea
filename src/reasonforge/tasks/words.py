"""Common words for families that need some: short, lower case, all different."""

from __future__ import annotations

WORDS = (
    "apple", "bridge", "candle", "desert", "engine", "forest", "garden", "harbor", "island", "jacket", "kettle", "ladder", "market",
    "needle", "orange", "pencil", "quartz", "river", "silver", "table", "umbrella", "valley", "window", "yellow", "zebra", "anchor",
    "bottle", "camel", "dragon", "eagle", "flower", "guitar", "hammer", "insect", "jungle", "kitchen", "lemon", "mirror", "night", "ocean",
    "paper", "queen", "rabbit", "shadow", "thunder", "uncle", "violin", "winter", "yard", "zero", "basket", "cloud", "dinner", "evening",
    "farmer", "glass", "house", "iron", "jewel", "king", "letter", "music", "number", "office", "planet", "quiet", "road", "summer",
    "train", "village", "water", "young",
)  # fmt: skip
